import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { type DeliveryFilter, MAX_SHOWN_ATTEMPTS } from './deliveries.schemas.js'
import type { AttemptRow, DeliveryRow, DeliverySummaryRow } from './delivery-view.js'
import { firstIdAfter, firstIdSince } from './id-bounds.js'
import type { EndpointKey } from '../endpoint-key.js'

const SUMMARY_COLUMNS = `d.id, d.webhook_id AS "webhookId", d.message_id AS "messageId", d.event_type AS "eventType", d.status,
  d.attempts AS "attemptCount", d.next_retry_at AS "nextRetryAt", d.last_status AS "lastStatus", d.last_error AS "lastError",
  d.replay_id AS "replayId", d.created_at AS "createdAt", d.finished_at AS "finishedAt"`

interface DeliveryKey {
  readonly tenantId: string
  readonly id: string
}

/** A delivery that nobody else changes until the transaction ends. */
export interface HeldDelivery extends Pick<DeliverySummaryRow, 'status' | 'webhookId'> {
  readonly isWebhookActive: boolean
  /** A replica is at it at this moment. */
  readonly isClaimed: boolean
}

/** Deliveries for those who ask about them. The queue itself is another's. */
@Injectable()
export class DeliveriesRepository {
  constructor(private readonly database: Database) {}

  /** Newest first; up to `limit`, after the delivery `after`. Null: the tenant has no such webhook, or it is deleted. */
  async list(
    { tenantId, webhookId }: EndpointKey,
    filter: DeliveryFilter,
    page: { after: string | undefined; limit: number },
  ): Promise<DeliverySummaryRow[] | null> {
    const { conditions, values } = whereClause([tenantId, webhookId], filter)
    if (page.after !== undefined) conditions.push(`d.id < $${values.push(page.after)}`)
    return this.database.flight({ tenantId }, async (tx) => {
      const [webhooks, rows] = await Promise.all([
        tx.query({
          name: 'webhook_exists',
          text: 'SELECT 1 FROM webhooks WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL',
          values: [tenantId, webhookId],
        }),
        tx.query<DeliverySummaryRow>({
          text: `SELECT ${SUMMARY_COLUMNS} FROM webhook_deliveries d WHERE ${conditions.join(' AND ')}
                  ORDER BY d.id DESC LIMIT $${values.push(page.limit)}`,
          values,
        }),
      ])
      return webhooks.length > 0 ? rows : null
    })
  }

  /** With its attempts, the last of them in order; null when the tenant has none of that id. In one flight. */
  read({ tenantId, id }: DeliveryKey): Promise<{ row: DeliveryRow; attempts: AttemptRow[] } | null> {
    return this.database.flight({ tenantId }, async (tx) => {
      const [[row], attempts] = await Promise.all([
        tx.query<DeliveryRow>({
          name: 'webhook_delivery_read',
          text: `SELECT ${SUMMARY_COLUMNS}, w.url, m.body
                   FROM webhook_deliveries d
                   JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
                   JOIN webhook_messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
                  WHERE d.tenant_id = $1 AND d.id = $2`,
          values: [tenantId, id],
        }),
        tx.query<AttemptRow>({
          name: 'webhook_attempts_read',
          text: `SELECT number, started_at AS "startedAt", duration_ms AS "durationMs", response_status AS status,
                        response_headers AS headers, response_body AS body, error
                   FROM webhook_attempts WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY number DESC LIMIT $3`,
          values: [tenantId, id, MAX_SHOWN_ATTEMPTS],
        }),
      ])
      return row ? { row, attempts: attempts.reverse() } : null
    })
  }

  /** Null when the tenant has none of that id. */
  async hold({ tenantId, id }: DeliveryKey, tx: Tx): Promise<HeldDelivery | null> {
    const rows = await tx.query<HeldDelivery>({
      text: `SELECT d.status, d.webhook_id AS "webhookId", w.is_active AS "isWebhookActive",
                    d.status = 'delivering' AND d.next_retry_at > clock_timestamp() AS "isClaimed"
               FROM webhook_deliveries d JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
              WHERE d.tenant_id = $1 AND d.id = $2 FOR NO KEY UPDATE OF d`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /** Makes a delivery that is held due now, whatever it was; one that is due already keeps its place. */
  async makeDue({ tenantId, id }: DeliveryKey, tx: Tx): Promise<DeliverySummaryRow> {
    const rows = await tx.query<DeliverySummaryRow>({
      // The claim number: whoever has let his claim run out must not settle what somebody else will claim.
      text: `UPDATE webhook_deliveries d
                SET status = 'pending', next_retry_at = least(d.next_retry_at, now()), finished_at = NULL,
                    claim_number = d.claim_number + 1
              WHERE d.tenant_id = $1 AND d.id = $2
          RETURNING ${SUMMARY_COLUMNS}`,
      values: [tenantId, id],
    })
    return rows[0] as DeliverySummaryRow
  }
}

/** Every condition is written here; only values come from outside, and they go as parameters. */
function whereClause(
  [tenantId, webhookId]: readonly [string, string],
  { status, eventType, from, to }: DeliveryFilter,
): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [tenantId, webhookId]
  const conditions = ['d.tenant_id = $1', 'd.webhook_id = $2']
  if (status !== undefined) conditions.push(`d.status = $${values.push(status)}`)
  if (eventType !== undefined) conditions.push(`d.event_type = $${values.push(eventType)}`)
  // The ids for the index, which ends where they do; the times for exactness.
  if (from !== undefined) {
    const moment = new Date(from)
    conditions.push(`d.id >= $${values.push(firstIdSince(moment))}`, `d.created_at >= $${values.push(moment)}`)
  }
  if (to !== undefined) {
    const moment = new Date(to)
    conditions.push(`d.id < $${values.push(firstIdAfter(moment))}`, `d.created_at < $${values.push(moment)}`)
  }
  return { conditions, values }
}
