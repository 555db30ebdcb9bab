import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { DisabledReason } from '../disabled-reason.js'
import type { WebhookKey, WebhookRecord } from './webhook.js'
import type { WebhookRow } from './webhook-view.js'

const RECORD_COLUMNS = `w.tenant_id AS "tenantId", w.id, w.url, w.description, w.events, w.is_active AS "isActive",
  w.max_per_second AS "maxPerSecond", w.disabled_reason AS "disabledReason", w.disabled_at AS "disabledAt",
  w.created_at AS "createdAt", w.updated_at AS "updatedAt"`

const ROWS = `SELECT ${RECORD_COLUMNS}, h.circuit_level AS "circuitLevel", h.consecutive_failures AS "consecutiveFailures",
         h.failing_since AS "failingSince", h.last_success_at AS "lastSuccessAt", h.last_failure_at AS "lastFailureAt",
         CASE WHEN h.paused_until > now() THEN h.paused_until END AS "pausedUntil",
         ARRAY(SELECT jsonb_build_object('id', s.id, 'createdAt', s.created_at, 'expiresAt', s.expires_at)
                 FROM webhook_secrets s
                WHERE s.tenant_id = w.tenant_id AND s.webhook_id = w.id AND (s.expires_at IS NULL OR s.expires_at > now())
                ORDER BY s.expires_at DESC NULLS FIRST, s.id DESC) AS secrets
    FROM webhooks w JOIN webhook_health h ON h.tenant_id = w.tenant_id AND h.webhook_id = w.id
   WHERE w.tenant_id = $1 AND w.deleted_at IS NULL`

/** Endpoints. One that is deleted is not found by anything here. Its subscription follows by a trigger. */
@Injectable()
export class WebhooksRepository {
  constructor(private readonly database: Database) {}

  /** Counts a tenant's endpoints; until `tx` ends nobody else counts or adds. */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    return tx.execute({
      text: 'SELECT 1 FROM webhooks WHERE tenant_id = $1 AND deleted_at IS NULL',
      values: [tenantId],
    })
  }

  /** With its row of health. */
  async add(webhook: WebhookRecord, tx: Tx): Promise<void> {
    const { tenantId, id, url, description, events, isActive, maxPerSecond, createdAt, updatedAt } = webhook
    await tx.execute({
      text: `WITH added AS (
               INSERT INTO webhooks (tenant_id, id, url, description, events, is_active, max_per_second, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             )
             INSERT INTO webhook_health (tenant_id, webhook_id) VALUES ($1, $2)`,
      values: [tenantId, id, url, description, events, isActive, maxPerSecond, createdAt, updatedAt],
    })
  }

  /** Until `tx` ends nobody else changes it. Events go on meanwhile: their foreign keys lock it in another way. */
  async findForChange({ tenantId, id }: WebhookKey, tx: Tx): Promise<WebhookRecord | null> {
    if (!isUuid(id)) return null
    const rows = await tx.query<WebhookRecord>({
      text: `SELECT ${RECORD_COLUMNS} FROM webhooks w
              WHERE w.tenant_id = $1 AND w.id = $2 AND w.deleted_at IS NULL FOR NO KEY UPDATE`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  async update(webhook: WebhookRecord, tx: Tx): Promise<void> {
    const { tenantId, id, url, description, events, isActive, maxPerSecond } = webhook
    await tx.execute({
      text: `UPDATE webhooks
                SET url = $3, description = $4, events = $5, is_active = $6, max_per_second = $7, disabled_reason = $8,
                    disabled_at = $9, updated_at = $10
              WHERE tenant_id = $1 AND id = $2`,
      values: [
        tenantId,
        id,
        url,
        description,
        events,
        isActive,
        maxPerSecond,
        webhook.disabledReason,
        webhook.disabledAt,
        webhook.updatedAt,
      ],
    })
  }

  /** Forgets how an endpoint has failed; what waits for it goes now, oldest first. After its lock in `webhooks`. */
  async startAfresh({ tenantId, id }: WebhookKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE webhook_health
                SET consecutive_failures = 0, circuit_level = 0, paused_until = NULL, failing_since = NULL,
                    recovery_cursor = NULL,
                    is_recovering = EXISTS (SELECT FROM webhook_deliveries
                                             WHERE tenant_id = $1 AND webhook_id = $2 AND next_retry_at IS NOT NULL)
              WHERE tenant_id = $1 AND webhook_id = $2`,
      values: [tenantId, id],
    })
    await tx.query({ text: 'SELECT webhook_wake_recovering(ARRAY[$1::uuid])', values: [id] })
  }

  /** Switches an endpoint off, and says why. @returns false when it was off already */
  async disable({ tenantId, id }: WebhookKey, reason: DisabledReason, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      text: `UPDATE webhooks SET is_active = false, disabled_reason = $3, disabled_at = now(), updated_at = now()
              WHERE tenant_id = $1 AND id = $2 AND is_active`,
      values: [tenantId, id, reason],
    })
    return changed === 1
  }

  /** Its deliveries stay, for those who ask what was sent; what still waits has nowhere to go. */
  async delete({ tenantId, id }: WebhookKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE webhook_deliveries SET status = 'exhausted', next_retry_at = NULL, finished_at = now(), last_error = $3
              WHERE tenant_id = $1 AND webhook_id = $2 AND status IN ('pending', 'retrying')`,
      values: [tenantId, id, 'The webhook was deleted.'],
    })
    await tx.execute({
      text: 'UPDATE webhooks SET is_active = false, deleted_at = now(), updated_at = now() WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id],
    })
  }

  async findRow({ tenantId, id }: WebhookKey, tx: Tx): Promise<WebhookRow | null> {
    const rows = await tx.query<WebhookRow>({ text: `${ROWS} AND w.id = $2`, values: [tenantId, id] })
    return rows[0] ?? null
  }

  /** The same outside of a transaction, in one flight. */
  async readRow({ tenantId, id }: WebhookKey): Promise<WebhookRow | null> {
    if (!isUuid(id)) return null
    const statement = { name: 'webhook_read', text: `${ROWS} AND w.id = $2`, values: [tenantId, id] }
    const rows = await this.database.read<WebhookRow>({ tenantId }, statement)
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the endpoint `after`. */
  list(tenantId: string, { after, limit }: { after: string | undefined; limit: number }): Promise<WebhookRow[]> {
    return this.database.read<WebhookRow>(
      { tenantId },
      {
        name: 'webhook_list',
        text: `${ROWS} AND ($2::uuid IS NULL OR w.id < $2) ORDER BY w.id DESC LIMIT $3`,
        values: [tenantId, after ?? null, limit],
      },
    )
  }
}
