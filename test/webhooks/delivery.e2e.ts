import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { REACH_RECEIVERS, verified, WebhookReceiver } from '../support/webhook-receiver.js'
import { createWebhook, deliveriesOf, makeEvent } from './webhook-lab.js'

let app: TestApp
let user: TestUser
let receiver: WebhookReceiver

beforeAll(async () => {
  app = await TestApp.start({ env: { ...REACH_RECEIVERS, WEBHOOK_TIMEOUT_MS: '500' } })
})
afterAll(async () => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
  receiver = await WebhookReceiver.start()
})
afterEach(async () => receiver[Symbol.asyncDispose]())

/** The offline model answers in prose. */
const NEVER_MET = { type: 'object', required: ['answer'] }

const attemptsOf = (deliveryId: unknown) =>
  app.sql('SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY number', [deliveryId])

describe('an event', () => {
  it('reaches an endpoint that wants it, signed, as it was written down', async () => {
    const webhook = await createWebhook(user, { url: receiver.url, events: ['apiKey.created'] })
    const apiKeyId = await makeEvent(user)
    const [received] = await receiver.waitFor(1)
    if (!received) throw new Error('nothing came')
    expect(verified(received, webhook.secret)).toEqual({
      type: 'apiKey.created',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: { apiKeyId, userId: user.userId, name: 'a key', scopes: ['runs:read'], expiresAt: null },
    })
    expect(received.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^TempoNest\//),
      'webhook-id': expect.stringMatching(/^msg_[0-9a-f]{32}$/),
    })
    const [message] = await app.sql('SELECT id, body FROM webhook_messages WHERE tenant_id = $1', [user.tenantId])
    expect(message).toEqual({ id: received.headers['webhook-id'], body: received.body })
  })

  it('is recorded with the attempt that delivered it', async () => {
    receiver.answer = (response) =>
      void response.writeHead(200, { 'x-receiver': 'here' }).end(`thanks\0${'x'.repeat(5000)}`)
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'delivered',
    )
    expect(delivery).toMatchObject({ attempts: 1, last_status: 200, last_error: null, next_retry_at: null })
    const [attempt, ...more] = await attemptsOf(delivery?.['id'])
    expect(more).toEqual([])
    expect(attempt).toMatchObject({ number: 1, response_status: 200, error: null })
    expect(attempt?.['response_headers']).toMatchObject({ 'x-receiver': 'here' })
    expect(attempt?.['response_body']).toBe(`thanks\uFFFD${'x'.repeat(4096 - 7)}`)
    expect(attempt?.['duration_ms']).toBeGreaterThanOrEqual(0)
  })

  it('is delivered with a 2xx, whatever the answer says of its packing', async () => {
    receiver.answer = (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip')
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'delivered',
    )
    const [attempt] = await attemptsOf(delivery?.['id'])
    expect(attempt).toMatchObject({ response_status: 200, response_body: 'no gzip', error: null })
  })

  it('goes to every endpoint whose patterns match, once, and to no other', async () => {
    const stranger = await TestUser.register(app)
    const wanted = [['*'], ['apiKey.*'], ['run.*', 'apiKey.created'], ['apiKey.created', 'apiKey.*', '*']]
    const unwanted = [['run.*'], ['apiKey.deleted'], ['member.*', 'approval.requested']]
    const create = (events: string[], owner = user) => createWebhook(owner, { url: receiver.url, events })
    const wanting = await Promise.all(wanted.map((events) => create(events)))
    const others = await Promise.all([...unwanted.map((events) => create(events)), create(['*'], stranger)])
    await makeEvent(user)
    await eventually(
      () => Promise.all(wanting.map((webhook) => deliveriesOf(app, webhook))),
      (all) => all.every(([row]) => row?.['status'] === 'delivered'),
    )
    expect(receiver.received).toHaveLength(wanted.length)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect((await Promise.all(others.map((webhook) => deliveriesOf(app, webhook)))).flat()).toEqual([])
  })

  it('that was rolled back is told to nobody', async () => {
    const webhook = await createWebhook(user, { url: receiver.url })
    const refused = await user.request({ method: 'POST', url: '/v1/api-keys', payload: { name: '', scopes: ['x'] } })
    expect(refused.statusCode).toBe(400)
    expect(await deliveriesOf(app, webhook)).toEqual([])
  })

  it.each(['completed', 'failed'] as const)('of a run that has %s follows the one of its start', async (ending) => {
    const webhook = await createWebhook(user, { url: receiver.url, events: ['run.*'] })
    const payload = ending === 'completed' ? { task: 'Say hello.' } : { task: 'Say hello.', outputSchema: NEVER_MET }
    const run = (await user.run(payload)).json()
    expect(run.status).toBe(ending)
    const received = await receiver.waitFor(2)
    const told = received
      .map((webhook_) => verified(webhook_, webhook.secret))
      .sort((a) => (a['type'] === 'run.started' ? -1 : 1))
    const facts = {
      runId: run.id,
      agent: 'developer',
      agentVersion: 1,
      model: run.model,
      parentRunId: null,
      scheduleId: null,
    }
    expect(told).toEqual([
      { type: 'run.started', timestamp: expect.any(String), data: facts },
      {
        type: `run.${ending}`,
        timestamp: expect.any(String),
        data: {
          ...facts,
          status: ending,
          usage: { inputTokens: run.usage.inputTokens, outputTokens: run.usage.outputTokens },
          costUsd: run.costUsd,
          durationMs: run.durationMs,
          ...(ending === 'failed' && { error: { code: run.error.code } }),
        },
      },
    ])
  })
})

describe('an attempt that does not succeed', () => {
  const NO_SUCCESS = 'The receiver did not answer with a 2xx status.'

  it.each([
    ['a 500', 500, {}],
    ['a redirect, which is not followed', 302, { location: '/elsewhere' }],
    ['a 304', 304, {}],
    ['a 404', 404, {}],
    ['a redirect to nowhere', 307, { location: 'http://[' }],
    ['a 407, as proxies have it', 407, {}],
    ['a 421, which clients may repeat', 421, {}],
  ])('for %s is tried again after about five seconds', async (_what, status, headers) => {
    receiver.answer = (response) => void response.writeHead(status, headers).end()
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(delivery).toMatchObject({ attempts: 1, last_status: status, last_error: NO_SUCCESS })
    expect(delivery?.['wait_seconds']).toBeLessThanOrEqual(5.5)
    expect(receiver.received).toHaveLength(1)
  })

  it('for a receiver that hangs ends with the time limit', async () => {
    receiver.answer = () => undefined
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(delivery).toMatchObject({
      last_status: null,
      last_error: 'The server did not answer in full within 500 ms.',
    })
  })

  it('for a 2xx whose body hangs ends so, too, and tells what came', async () => {
    receiver.answer = (response) => void response.writeHead(200, { 'x-receiver': 'here' }).write('half')
    const webhook = await createWebhook(user, { url: receiver.url })
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    const error = 'The server did not answer in full within 500 ms.'
    expect(delivery).toMatchObject({ attempts: 1, last_status: 200, last_error: error })
    const [attempt] = await attemptsOf(delivery?.['id'])
    expect(attempt).toMatchObject({ response_status: 200, response_body: null, error })
    expect(attempt?.['response_headers']).toMatchObject({ 'x-receiver': 'here' })
  })

  it.each([
    ['a port where nobody listens', 'http://127.0.0.1:1999/', 'The request failed (ECONNREFUSED).'],
    ['an address that must not be reached any more', 'http://169.254.169.254/', 'This address may not be reached.'],
    ['a host that is not there', 'http://nobody.invalid/', expect.any(String)],
  ])('for %s says why, and nothing of our network', async (_what, url, error) => {
    const webhook = await createWebhook(user, { url: receiver.url })
    await app.sql('UPDATE webhooks SET url = $2 WHERE id = $1', [webhook.id, url])
    await makeEvent(user)
    const [delivery] = await eventually(
      () => deliveriesOf(app, webhook),
      ([row]) => row?.['status'] === 'retrying',
    )
    expect(delivery).toMatchObject({ last_status: null, last_error: error })
  })

  it('is repeated with the same id and body under a new timestamp, until it succeeds', async () => {
    await using quick = await TestApp.start({
      database: app.database,
      env: { ...REACH_RECEIVERS, WEBHOOK_RETRY_SECONDS: '0.2,0.2,0.2' },
    })
    await using flaky = await WebhookReceiver.start(
      (response) => void response.writeHead(flaky.received.length < 3 ? 503 : 204).end(),
    )
    const owner = await TestUser.register(quick)
    // Both replicas serve the queue: the other one's schedule would be five seconds.
    await app.nest.close()
    const webhook = await createWebhook(owner, { url: flaky.url })
    await makeEvent(owner)
    const received = await flaky.waitFor(3)
    await eventually(
      () => deliveriesOf(quick, webhook),
      ([row]) => row?.['status'] === 'delivered' && row['attempts'] === 3,
    )
    for (const webhook_ of received) expect(() => verified(webhook_, webhook.secret)).not.toThrow()
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(new Set(received.map(({ body }) => body)).size).toBe(1)
  })
})
