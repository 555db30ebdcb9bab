import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { MESSAGES_PER_BATCH, MessageRetention } from '../../src/modules/webhooks/retention/message-retention.job.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { plantAttempts, plantDeliveries, plantWebhook, type WebhookKey } from '../support/webhook-rows.js'

const RETENTION_DAYS = 10
const MANY = 2 * MESSAGES_PER_BATCH + 5
const env = { WEBHOOK_RETENTION_DAYS: String(RETENTION_DAYS) }

let app: TestApp
let replica: TestApp
let webhooks: WebhookKey[]

beforeAll(async () => {
  app = await TestApp.start({ env })
  replica = await TestApp.start({ env, database: app.database })
})
beforeEach(async () => {
  const owners = [await TestUser.register(app), await TestUser.register(app)]
  webhooks = await Promise.all(owners.map((owner) => plantWebhook(app, owner)))
})
afterAll(async () => {
  await replica[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000)
const sweep = ({ nest }: TestApp): Promise<void> => nest.get(MessageRetention).sweep()

/** Of this test's tenants. */
async function left(table: string): Promise<number> {
  const tenants = webhooks.map(({ tenantId }) => tenantId)
  const [row] = await app.sql(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = ANY ($1::uuid[])`, [tenants])
  return Number(row?.['n'])
}

it('removes old messages of all tenants, with their deliveries and attempts, and nothing younger', async () => {
  for (const webhook of webhooks) {
    const [old] = await plantDeliveries(app, webhook, { count: MANY, createdAt: daysAgo(RETENTION_DAYS + 1) })
    await plantAttempts(app, webhook, old!.id, 3)
    const [young] = await plantDeliveries(app, webhook, { count: 2, createdAt: daysAgo(RETENTION_DAYS - 1) })
    await plantAttempts(app, webhook, young!.id, 2)
  }
  await sweep(app)
  expect([await left('webhook_messages'), await left('webhook_deliveries'), await left('webhook_attempts')]).toEqual([
    4, 4, 4,
  ])
  expect(await left('webhooks')).toBe(2)
})

it('removes what still waits, and what a replay has made of it since', async () => {
  const [webhook] = webhooks as [WebhookKey]
  const createdAt = daysAgo(RETENTION_DAYS + 1)
  const [waiting] = await plantDeliveries(app, webhook, { status: 'pending', createdAt })
  await plantDeliveries(app, webhook, { status: 'retrying', createdAt })
  await app.sql(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
     SELECT tenant_id, gen_random_uuid(), webhook_id, message_id, event_type, status, next_retry_at, now()
       FROM webhook_deliveries WHERE id = $1`,
    [waiting?.id],
  )
  await sweep(app)
  expect([await left('webhook_messages'), await left('webhook_deliveries')]).toEqual([0, 0])
})

it('gets to its end on two replicas at once', async () => {
  for (const webhook of webhooks) await plantDeliveries(app, webhook, { count: MANY, createdAt: daysAgo(20) })
  await Promise.all([sweep(app), sweep(replica)])
  // One that came second to a batch leaves the rest to the other, which has ended by now or will in its next pass.
  await sweep(app)
  expect(await left('webhook_messages')).toBe(0)
})
