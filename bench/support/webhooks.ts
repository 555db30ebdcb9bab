import type { Client } from 'pg'
import { z } from 'zod'
import { registerClient, send } from './api-client.ts'

const createdSchema = z.object({ id: z.string(), secret: z.string() })
const keySchema = z.object({ id: z.string() })

/** What lets the app reach a receiver on this machine. */
export const webhookEnvironment = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32' }

/** Somebody's endpoints, and what they are told of. */
export interface WebhookOwner {
  readonly tenantId: string
  addEndpoint(body: { url: string; events: string[]; active?: boolean }): Promise<{ id: string; secret: string }>
  changeEndpoint(id: string, body: { url?: string; active?: boolean }): Promise<void>
  /** `apiKey.created`; the answer comes after the commit. */
  addKey(): Promise<string>
  /** `apiKey.deleted` */
  deleteKey(id: string): Promise<void>
}

export async function registerOwner(baseUrl: string): Promise<WebhookOwner> {
  const { headers, tenantId } = await registerClient(baseUrl)
  const ask = (method: string, path: string, expected: { status: number; body?: object }) =>
    send(`${baseUrl}${path}`, { method, headers, ...expected })
  return {
    tenantId,
    addEndpoint: async (body) => createdSchema.parse(await ask('POST', '/v1/webhooks', { status: 201, body })),
    changeEndpoint: async (id, body) => {
      await ask('PATCH', `/v1/webhooks/${id}`, { status: 200, body })
    },
    addKey: async () => keySchema.parse(await ask('POST', '/v1/api-keys', { status: 201, body: { name: 'bench' } })).id,
    deleteKey: async (id) => {
      await ask('DELETE', `/v1/api-keys/${id}`, { status: 204 })
    },
  }
}

/**
 * Deliveries as events leave them, each of a message of its own, spread evenly over the endpoints.
 * @param dueInMs when the first is due and the last; both 0: now, as new ones are. Others have failed once.
 */
export async function addDeliveries(
  sql: Client,
  options: { tenantId: string; webhookIds: string[]; count: number; dueInMs?: { first: number; last: number } },
): Promise<void> {
  const { tenantId, webhookIds, count, dueInMs } = options
  await sql.query(
    `WITH told AS (
       INSERT INTO webhook_messages (tenant_id, id, type, body, created_at)
       SELECT $1::uuid, 'msg_' || replace(uuid_at(now())::text, '-', ''), 'run.completed', $4::text, now() FROM generate_series(1, $3::integer)
       RETURNING id
     ), numbered AS (SELECT id, row_number() OVER () - 1 AS nth FROM told)
     INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, attempts, next_retry_at, created_at)
     SELECT $1::uuid, uuid_at(now()), ($2::uuid[])[1 + nth % $5::integer], id, 'run.completed', $6, $7::integer,
            now() + ($8::float8 + ($9::float8 - $8) * nth / $3) * interval '1 ms', now()
       FROM numbered`,
    [
      tenantId,
      webhookIds,
      count,
      MESSAGE_BODY,
      webhookIds.length,
      ...(dueInMs ? ['retrying', 1, dueInMs.first, dueInMs.last] : ['pending', 0, 0, 0]),
    ],
  )
}

/** As long as that of a run. */
export const MESSAGE_BODY = JSON.stringify({
  type: 'run.completed',
  timestamp: '2026-11-21T09:30:00.000Z',
  data: {
    runId: '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e10',
    agent: 'developer',
    agentVersion: 1,
    model: 'openai/gpt-5-mini',
    parentRunId: null,
    usage: { inputTokens: 812, outputTokens: 240 },
    costUsd: '0.000683',
    durationMs: 2140,
    status: 'completed',
  },
})
