import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { REACH_RECEIVERS, WebhookReceiver } from '../support/webhook-receiver.js'
import { createWebhook, deliveriesOf, queueDeliveries } from './webhook-lab.js'

const PLACES = 4
const env = { ...REACH_RECEIVERS, WEBHOOK_ENDPOINT_CONCURRENCY: String(PLACES), WEBHOOK_TIMEOUT_MS: '10000' }

let first: TestApp
let second: TestApp
let user: TestUser

beforeAll(async () => {
  first = await TestApp.start({ env })
  second = await TestApp.start({ env, database: first.database })
})
afterAll(async () => {
  await second[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
})
beforeEach(async () => {
  user = await TestUser.register(first)
})

const allDelivered = (webhook: { id: string; secret: string }) =>
  eventually(
    () => deliveriesOf(first, webhook),
    (all) => all.every(({ status }) => status === 'delivered'),
  )

describe('two replicas together', () => {
  it('send each delivery once', async () => {
    await using receiver = await WebhookReceiver.start()
    const webhook = await createWebhook(user, { url: receiver.url })
    await queueDeliveries(first, user, webhook, 300)
    await allDelivered(webhook)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(300)
    expect(receiver.received).toHaveLength(300)
  })

  it('have no more under way to one endpoint than it has places', async () => {
    let underWay = 0
    let most = 0
    await using receiver = await WebhookReceiver.start((response) => {
      underWay += 1
      most = Math.max(most, underWay)
      setTimeout(() => {
        underWay -= 1
        response.writeHead(204).end()
      }, 20)
    })
    const webhook = await createWebhook(user, { url: receiver.url })
    await queueDeliveries(first, user, webhook, 100)
    await allDelivered(webhook)
    expect(most).toBe(PLACES)
  })

  it.each([1, 30])('send one endpoint no more than %i in a second', async (maxPerSecond) => {
    await using receiver = await WebhookReceiver.start()
    const webhook = await createWebhook(user, { url: receiver.url, maxPerSecond })
    const count = maxPerSecond * 3
    await queueDeliveries(first, user, webhook, count)
    await allDelivered(webhook)
    const claims = await first.sql(
      `SELECT extract(epoch FROM a.started_at)::float8 * 1000 AS at FROM webhook_attempts a
         JOIN webhook_deliveries d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id WHERE d.webhook_id = $1 ORDER BY 1`,
      [webhook.id],
    )
    const times = claims.map(({ at }) => Number(at))
    const most = Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + 1000).length))
    // A claim's pace is kept to the millisecond; how soon after it a request begins is not.
    expect(most).toBeLessThanOrEqual(Math.ceil(maxPerSecond * 1.1))
    const elapsedMs = (times.at(-1) ?? 0) - (times[0] ?? 0)
    expect(elapsedMs).toBeGreaterThan(((count - 1) / maxPerSecond - 0.5) * 900)
  })

  it('send what a replica that is gone had claimed, once its claim has ended, and not before', async () => {
    await using receiver = await WebhookReceiver.start()
    const webhook = await createWebhook(user, { url: receiver.url })
    await queueDeliveries(first, user, webhook, 2, 3_600_000)
    const [lost, held] = await deliveriesOf(first, webhook)
    const claimed = `UPDATE webhook_deliveries SET status = 'delivering', claim_number = 1, next_retry_at = now() + $2 * interval '1 s' WHERE id = $1`
    await first.sql(claimed, [lost?.['id'], 0])
    await first.sql(claimed, [held?.['id'], 3600])
    const deliveries = await eventually(
      () => deliveriesOf(first, webhook),
      ([one]) => one?.['status'] === 'delivered',
    )
    expect(deliveries[0]).toMatchObject({ attempts: 1 })
    expect(deliveries[1]).toMatchObject({ status: 'delivering', attempts: 0 })
    expect(receiver.received).toHaveLength(1)
  })

  it('write nothing of a delivery that somebody else has claimed meanwhile', async () => {
    await using receiver = await WebhookReceiver.start()
    const webhook = await createWebhook(user, { url: receiver.url })
    const takeOver = async (response: ServerResponse) => {
      await first.sql(
        `UPDATE webhook_deliveries SET claim_number = claim_number + 1, next_retry_at = now() + interval '2 s'
          WHERE webhook_id = $1`,
        [webhook.id],
      )
      response.writeHead(500).end()
    }
    receiver.answer = (response) => {
      if (receiver.received.length > 1) response.writeHead(204).end()
      else void takeOver(response)
    }
    await queueDeliveries(first, user, webhook, 1)
    await allDelivered(webhook)
    const attempts = await first.sql(
      'SELECT number, response_status FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id WHERE d.webhook_id = $1',
      [webhook.id],
    )
    expect(receiver.received).toHaveLength(2)
    expect(attempts).toEqual([{ number: 1, response_status: 204 }])
  })
})

describe('a replica that is told to stop', () => {
  it('gives back what it has under way, as no attempt', async () => {
    await using receiver = await WebhookReceiver.start(() => undefined)
    const own = await TestApp.start({ env: { ...env, WEBHOOK_TIMEOUT_MS: '15000' } })
    const { database } = own
    const owner = await TestUser.register(own)
    const webhook = await createWebhook(owner, { url: receiver.url })
    await queueDeliveries(own, owner, webhook, 2)
    await receiver.waitFor(2)
    await own.nest.close()
    await using successor = await TestApp.start({ env, database })
    receiver.answer = (response) => void response.writeHead(204).end()
    const deliveries = await eventually(
      () => deliveriesOf(successor, webhook),
      (all) => all.every(({ status }) => status === 'delivered'),
    )
    expect(deliveries.map(({ attempts }) => attempts)).toEqual([1, 1])
    expect(receiver.received).toHaveLength(4)
  })
})
