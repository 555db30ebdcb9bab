import { newId } from '#kernel/ids.js'
import type { TestApp } from './test-app.js'

export interface WebhookKey {
  readonly tenantId: string
  readonly webhookId: string
}

interface PlantedDeliveries {
  readonly count?: number
  readonly status?: string
  readonly eventType?: string
  /** Of the first; each of the others is a millisecond younger than the one before. */
  readonly createdAt?: Date
}

export interface PlantedDelivery {
  readonly id: string
  readonly messageId: string
  readonly createdAt: Date
}

/** An endpoint that is sent nothing while a test looks at its rows: its receiver has asked for a day's rest. */
export async function plantWebhook(
  app: TestApp,
  { tenantId }: { tenantId: string },
  { isActive = true }: { isActive?: boolean } = {},
): Promise<WebhookKey> {
  const webhookId = newId()
  await app.sql(
    `INSERT INTO webhooks (tenant_id, id, url, events, is_active, created_at, updated_at)
     VALUES ($1, $2, 'https://hooks.example.com/in', '{*}', $3, now(), now())`,
    [tenantId, webhookId, isActive],
  )
  await app.sql(
    `INSERT INTO webhook_health (tenant_id, webhook_id, paused_until) VALUES ($1, $2, now() + interval '1 day')`,
    [tenantId, webhookId],
  )
  return { tenantId, webhookId }
}

export async function deleteWebhook(app: TestApp, { webhookId }: WebhookKey): Promise<void> {
  await app.sql('UPDATE webhooks SET is_active = false, deleted_at = now() WHERE id = $1', [webhookId])
}

/** Deliveries of a message each, the oldest first. Those that are not finished are due in an hour. */
export async function plantDeliveries(
  app: TestApp,
  { tenantId, webhookId }: WebhookKey,
  { count = 1, status = 'delivered', eventType = 'run.completed', createdAt = new Date() }: PlantedDeliveries = {},
): Promise<PlantedDelivery[]> {
  const isQueued = ['pending', 'delivering', 'retrying'].includes(status)
  const rows = await app.sql(
    `WITH planted AS (
       SELECT 'msg_' || replace(gen_random_uuid()::text, '-', '') AS message_id, $5::timestamptz + n * interval '1 ms' AS at
         FROM generate_series(0, $6 - 1) AS n
     ), messages AS (
       INSERT INTO webhook_messages (tenant_id, id, type, body, created_at)
       SELECT $1, message_id, $4, '{"type":"' || $4 || '","data":{}}', at FROM planted
     )
     INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at,
                                     finished_at)
     SELECT $1, uuid_at(at), $2, message_id, $4, $3, CASE WHEN $7 THEN now() + interval '1 hour' END, at,
            CASE WHEN NOT $7 THEN at END
       FROM planted ORDER BY at
     RETURNING id, message_id AS "messageId", created_at AS "createdAt"`,
    [tenantId, webhookId, status, eventType, createdAt, count, isQueued],
  )
  return rows as unknown as PlantedDelivery[]
}

export async function plantAttempts(
  app: TestApp,
  { tenantId }: WebhookKey,
  deliveryId: string,
  count: number,
): Promise<void> {
  await app.sql(
    `INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms, response_status, response_headers,
                                   response_body)
     SELECT $1, $2, n, now(), 12, 503, '{"retry-after": "1"}', 'Try later.' FROM generate_series(1, $3) AS n`,
    [tenantId, deliveryId, count],
  )
  await app.sql('UPDATE webhook_deliveries SET attempts = $2 WHERE id = $1', [deliveryId, count])
}

/** One that is finished. */
export async function plantReplay(app: TestApp, { tenantId, webhookId }: WebhookKey): Promise<string> {
  const id = newId()
  await app.sql(
    `INSERT INTO webhook_replays (tenant_id, id, webhook_id, since, until, created_at, finished_at)
     VALUES ($1, $2, $3, now() - interval '1 day', now(), now(), now())`,
    [tenantId, id, webhookId],
  )
  return id
}
