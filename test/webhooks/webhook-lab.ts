import type { TestApp } from '../support/test-app.js'
import type { TestUser } from '../support/test-user.js'

/** An endpoint of a test. */
export interface LabWebhook {
  readonly id: string
  readonly secret: string
}

export interface LabWebhookOptions {
  readonly url: string
  readonly events?: readonly string[]
  readonly maxPerSecond?: number
}

export async function createWebhook(user: TestUser, options: LabWebhookOptions): Promise<LabWebhook> {
  const payload = { events: ['*'], ...options }
  const response = await user.request({ method: 'POST', url: '/v1/webhooks', payload })
  if (response.statusCode !== 201) throw new Error(response.body)
  return response.json()
}

/** Something that endpoints are told of: `apiKey.created`. @returns the key's id */
export async function makeEvent(user: TestUser): Promise<string> {
  const response = await user.request({
    method: 'POST',
    url: '/v1/api-keys',
    payload: { name: 'a key', scopes: ['runs:read'] },
  })
  if (response.statusCode !== 201) throw new Error(response.body)
  return response.json().id
}

/** Makes `count` deliveries to an endpoint as one event each would, without the events. */
export async function queueDeliveries(
  app: TestApp,
  { tenantId }: TestUser,
  { id }: LabWebhook,
  count: number,
  dueInMs = 0,
): Promise<void> {
  await app.sql(
    `WITH told AS (
       INSERT INTO webhook_messages (tenant_id, id, type, body, created_at)
       SELECT $1, 'msg_' || md5($2 || n || clock_timestamp()), 'run.completed', json_build_object('type', 'run.completed', 'n', n)::text,
              now() - ($3 - n) * interval '1 ms'
         FROM generate_series(1, $3::integer) AS n RETURNING id, created_at
     )
     INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, created_at)
     SELECT $1, uuid_at(created_at), $2::uuid, id, 'run.completed', 'pending', created_at + $4 * interval '1 ms', created_at FROM told`,
    [tenantId, id, count, dueInMs],
  )
}

/** An endpoint's deliveries, oldest first. */
export async function deliveriesOf(app: TestApp, { id }: LabWebhook): Promise<Record<string, unknown>[]> {
  return app.sql(
    `SELECT id, message_id, event_type, status, attempts, next_retry_at, last_status, last_error,
            next_retry_at - now() AS wait, extract(epoch FROM next_retry_at - now())::float8 AS wait_seconds
       FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY created_at, id`,
    [id],
  )
}

export async function healthOf(app: TestApp, { id }: LabWebhook): Promise<Record<string, unknown>> {
  const [row] = await app.sql('SELECT * FROM webhook_health WHERE webhook_id = $1', [id])
  return row ?? {}
}
