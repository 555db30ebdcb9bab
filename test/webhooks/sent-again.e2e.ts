import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { REACH_RECEIVERS, type ReceivedWebhook, verified, WebhookReceiver } from '../support/webhook-receiver.js'
import { createWebhook, deliveriesOf, type LabWebhook, makeEvent } from './webhook-lab.js'

const EVENTS = 5

let app: TestApp
let user: TestUser
let receiver: WebhookReceiver
let webhook: LabWebhook

beforeAll(async () => {
  app = await TestApp.start({ env: REACH_RECEIVERS })
})
afterAll(async () => app[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
  receiver = await WebhookReceiver.start()
  webhook = await createWebhook(user, { url: receiver.url, events: ['apiKey.created'] })
})
afterEach(async () => receiver[Symbol.asyncDispose]())

const post = (path: string, payload?: object) =>
  user.request({ method: 'POST', url: `/v1/${path}`, ...(payload && { payload }) })

async function whenDelivered(count: number): Promise<void> {
  await eventually(
    () => deliveriesOf(app, webhook),
    (rows) => rows.length === count && rows.every(({ status }) => status === 'delivered'),
  )
}

const messageOf = ({ headers, body }: ReceivedWebhook): string => `${headers['webhook-id']} ${body}`

it('a delivery that is retried reaches its receiver again, as the same message with a signature of its own', async () => {
  await makeEvent(user)
  await whenDelivered(1)
  const [row] = await deliveriesOf(app, webhook)
  const path = `webhook-deliveries/${String(row?.['id'])}`
  expect((await post(`${path}/retry`)).statusCode).toBe(202)
  const [first, second] = await receiver.waitFor(2)
  expect(messageOf(second!)).toBe(messageOf(first!))
  expect(verified(second!, webhook.secret)).toMatchObject({ type: 'apiKey.created' })
  await whenDelivered(1)
  const delivery = (await user.request({ url: `/v1/${path}` })).json()
  expect(delivery).toMatchObject({ status: 'delivered', attemptCount: 2, nextRetryAt: null, body: first?.body })
  expect(delivery.attempts).toMatchObject([
    { number: 1, status: 204 },
    { number: 2, status: 204 },
  ])
})

it('a window that is replayed reaches its receiver again, each message once', async () => {
  for (let made = 0; made < EVENTS; made += 1) await makeEvent(user)
  await whenDelivered(EVENTS)
  const since = new Date(Date.now() - 60_000).toISOString()
  const { id } = (await post(`webhooks/${webhook.id}/replay`, { since })).json()
  await receiver.waitFor(2 * EVENTS)
  await whenDelivered(2 * EVENTS)
  const messages = receiver.received.map(messageOf)
  expect(messages.slice(EVENTS).sort()).toEqual(messages.slice(0, EVENTS).sort())
  expect(new Set(messages).size).toBe(EVENTS)
  const { state, replayed } = (await user.request({ url: `/v1/webhooks/${webhook.id}/replays/${id}` })).json()
  expect([state, replayed]).toEqual(['finished', EVENTS])
})
