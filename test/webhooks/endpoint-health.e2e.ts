import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { REACH_RECEIVERS, verified, WebhookReceiver } from '../support/webhook-receiver.js'
import { createWebhook, deliveriesOf, healthOf, makeEvent, queueDeliveries } from './webhook-lab.js'

const CIRCUIT_FAILURES = 3
const CIRCUIT_SECONDS = 1
const PAUSE_SECONDS = 3600

let app: TestApp
let user: TestUser
let receiver: WebhookReceiver

beforeAll(async () => {
  app = await TestApp.start({
    env: {
      ...REACH_RECEIVERS,
      WEBHOOK_CIRCUIT_FAILURES: String(CIRCUIT_FAILURES),
      WEBHOOK_CIRCUIT_MIN_SECONDS: String(CIRCUIT_SECONDS),
      WEBHOOK_RETRY_SECONDS: '600,600',
      WEBHOOK_RETRY_AFTER_MAX_SECONDS: String(PAUSE_SECONDS),
    },
  })
})
afterAll(async () => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
  receiver = await WebhookReceiver.start()
})
afterEach(async () => receiver[Symbol.asyncDispose]())

const fail = () => (receiver.answer = (response) => void response.writeHead(500).end())
const succeed = () => (receiver.answer = (response) => void response.writeHead(204).end())
const seenOf = async (id: string) => (await user.request({ method: 'GET', url: `/v1/webhooks/${id}` })).json()

describe('the circuit of an endpoint', () => {
  it('opens after failures in a row, tries one delivery, and closes with its success; what was put off goes at once, oldest first', async () => {
    fail()
    const webhook = await createWebhook(user, { url: receiver.url })
    await queueDeliveries(app, user, webhook, CIRCUIT_FAILURES)
    const open = await eventually(
      () => healthOf(app, webhook),
      (health) => health['circuit_level'] === 1,
    )
    expect(open['consecutive_failures']).toBe(CIRCUIT_FAILURES)
    expect((await seenOf(webhook.id)).health).toMatchObject({ circuit: 'open', consecutiveFailures: CIRCUIT_FAILURES })
    await queueDeliveries(app, user, webhook, 5)
    await makeEvent(user)
    const tries = await receiver.waitFor(CIRCUIT_FAILURES + 1)
    expect((tries.at(-1)?.atMs ?? 0) - (tries.at(-2)?.atMs ?? 0)).toBeGreaterThan(CIRCUIT_SECONDS * 900)
    await eventually(
      () => healthOf(app, webhook),
      (health) => health['circuit_level'] === 2,
    )
    succeed()
    const total = CIRCUIT_FAILURES + 5 + 1
    const deliveries = await eventually(
      () => deliveriesOf(app, webhook),
      (all) => all.every(({ status }) => status === 'delivered'),
    )
    expect(deliveries).toHaveLength(total)
    expect(await healthOf(app, webhook)).toMatchObject({
      circuit_level: 0,
      consecutive_failures: 0,
      failing_since: null,
    })
    // The probe that succeeded, then all others by age.
    const [, ...drained] = receiver.received.slice(CIRCUIT_FAILURES + 1).map(({ headers }) => headers['webhook-id'])
    const byAge = deliveries.map(({ message_id: id }) => id).filter((id) => drained.includes(String(id)))
    expect(new Set(drained)).toEqual(new Set(byAge))
  })

  it('does not close for one delivery that always fails', async () => {
    receiver.answer = (response, { body }) => void response.writeHead(body.includes('"n" : 1}') ? 500 : 204).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await queueDeliveries(app, user, webhook, 20)
    const deliveries = await eventually(
      () => deliveriesOf(app, webhook),
      (all) => all.filter(({ status }) => status === 'delivered').length === 19,
    )
    expect(deliveries[0]).toMatchObject({ status: 'retrying', attempts: 1 })
    expect(await healthOf(app, webhook)).toMatchObject({ circuit_level: 0, is_recovering: false })
  })
})

describe('Retry-After', () => {
  it.each([429, 503])('of a %i holds for the delivery and for its endpoint', async (status) => {
    receiver.answer = (response) => void response.writeHead(status, { 'retry-after': '1200' }).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(Math.round(Number(delivery?.['wait_seconds']) / 10)).toBe(120)
    const { pausedUntil, circuit } = (await seenOf(webhook.id)).health
    expect(circuit).toBe('closed')
    expect(Math.round((Date.parse(pausedUntil) - Date.now()) / 10_000)).toBe(120)
  })

  it('of another status holds for the delivery alone', async () => {
    receiver.answer = (response) => void response.writeHead(500, { 'retry-after': '1200' }).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(Number(delivery?.['wait_seconds'])).toBeGreaterThan(1190)
    expect((await seenOf(webhook.id)).health.pausedUntil).toBeNull()
  })

  it('is honoured up to the limit', async () => {
    receiver.answer = (response) => void response.writeHead(503, { 'retry-after': '99999999' }).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(Number(delivery?.['wait_seconds'])).toBeLessThanOrEqual(PAUSE_SECONDS)
    expect(Number(delivery?.['wait_seconds'])).toBeGreaterThan(PAUSE_SECONDS - 30)
  })
})

describe('an endpoint', () => {
  const disabled = (webhook: { id: string }) =>
    eventually(
      () => seenOf(webhook.id),
      ({ active }) => active === false,
    )

  it('whose receiver is gone is switched off, and the others and the audit log are told', async () => {
    await using observer = await WebhookReceiver.start()
    const other = await createWebhook(user, { url: observer.url, events: ['webhook.disabled'] })
    receiver.answer = (response) => void response.writeHead(410).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    expect(await disabled(webhook)).toMatchObject({
      active: false,
      disabledReason: 'gone',
      disabledAt: expect.any(String),
    })
    expect(await deliveriesOf(app, webhook)).toEqual([
      expect.objectContaining({ status: 'exhausted', last_status: 410 }),
    ])
    const [told] = await observer.waitFor(1)
    if (!told) throw new Error('nobody was told')
    expect(verified(told, other.secret)).toMatchObject({
      type: 'webhook.disabled',
      data: { webhookId: webhook.id, reason: 'gone' },
    })
    const log = await user.request({ method: 'GET', url: '/v1/audit-log?action=webhook_disabled' })
    expect(log.json().data).toEqual([
      expect.objectContaining({ resource: { type: 'webhook', id: webhook.id }, actor: { type: 'system', id: null } }),
    ])
  })

  it('that has done nothing but fail for days is switched off; one success in between, and it is not', async () => {
    const webhook = await createWebhook(user, { url: receiver.url })
    const longAgo = `UPDATE webhook_health SET failing_since = now() - interval '121 hours', consecutive_failures = 50 WHERE webhook_id = $1`
    await app.sql(longAgo, [webhook.id])
    await makeEvent(user)
    await eventually(
      () => healthOf(app, webhook),
      (health) => health['failing_since'] === null,
    )
    expect(await seenOf(webhook.id)).toMatchObject({ active: true })
    await app.sql(longAgo, [webhook.id])
    fail()
    await makeEvent(user)
    expect(await disabled(webhook)).toMatchObject({ disabledReason: 'failing' })
  })

  it('that has failed for days with next to nothing to deliver stays on', async () => {
    fail()
    const webhook = await createWebhook(user, { url: receiver.url })
    await app.sql(`UPDATE webhook_health SET failing_since = now() - interval '121 hours' WHERE webhook_id = $1`, [
      webhook.id,
    ])
    await makeEvent(user)
    await eventually(
      () => healthOf(app, webhook),
      (health) => health['consecutive_failures'] === 1,
    )
    expect(await seenOf(webhook.id)).toMatchObject({ active: true })
  })

  it('that is switched off keeps what waits for it, and sends it once it is on again', async () => {
    fail()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    const change = (active: boolean) =>
      user.request({ method: 'PATCH', url: `/v1/webhooks/${webhook.id}`, payload: { active } })
    await change(false)
    await makeEvent(user)
    succeed()
    await change(true)
    const deliveries = await eventually(
      () => deliveriesOf(app, webhook),
      (all) => all.every(({ status }) => status === 'delivered'),
    )
    // What happened while it was off was nobody's to be told.
    expect(deliveries).toHaveLength(1)
  })

  it('that is deleted has nothing waiting any more', async () => {
    fail()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    await user.request({ method: 'DELETE', url: `/v1/webhooks/${webhook.id}` })
    expect(await deliveriesOf(app, webhook)).toEqual([
      expect.objectContaining({ status: 'exhausted', last_error: 'The webhook was deleted.' }),
    ])
  })
})
