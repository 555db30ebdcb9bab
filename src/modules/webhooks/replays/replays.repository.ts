import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { firstIdAfter, firstIdSince } from '../deliveries/id-bounds.js'
import type { ReplayWindow } from './replay-window.js'
import type { ReplayRow } from './replay-view.js'
import type { EndpointKey } from '../endpoint-key.js'

const COLUMNS = `id, webhook_id AS "webhookId", since, until, status, replayed, created_at AS "createdAt",
  finished_at AS "finishedAt"`

export interface NewReplay extends EndpointKey, ReplayWindow {
  readonly id: string
  readonly createdAt: Date
}

/** Replays for those who ask for them. Scope: `tenantId`. */
@Injectable()
export class ReplaysRepository {
  constructor(private readonly database: Database) {}

  /** Null: the tenant has no such webhook, or it is deleted. */
  async findWebhook({ tenantId, webhookId }: EndpointKey, tx: Tx): Promise<{ isActive: boolean } | null> {
    const rows = await tx.query<{ isActive: boolean }>({
      name: 'webhook_state',
      text: 'SELECT is_active AS "isActive" FROM webhooks WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL',
      values: [tenantId, webhookId],
    })
    return rows[0] ?? null
  }

  /** Null when another replay of the webhook is not finished yet. */
  async add(
    { tenantId, id, webhookId, since, until, status, createdAt }: NewReplay,
    tx: Tx,
  ): Promise<ReplayRow | null> {
    const rows = await tx.query<ReplayRow>({
      text: `INSERT INTO webhook_replays (tenant_id, id, webhook_id, since, until, status, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, webhook_id) WHERE finished_at IS NULL DO NOTHING
             RETURNING ${COLUMNS}`,
      values: [tenantId, id, webhookId, since, until, status, createdAt],
    })
    return rows[0] ?? null
  }

  /** How many messages a replay of the window would send again. */
  async count({ tenantId, webhookId }: EndpointKey, { since, until, status }: ReplayWindow, tx: Tx): Promise<number> {
    const rows = await tx.query<{ count: string }>({
      text: `SELECT count(DISTINCT message_id) AS count FROM webhook_deliveries d
              WHERE tenant_id = $1 AND webhook_id = $2 AND id >= $3 AND id < $4 AND created_at >= $5 AND created_at < $6
                AND ($7::text IS NULL OR status = $7)
                AND NOT EXISTS (SELECT FROM webhook_deliveries w WHERE w.tenant_id = $1 AND w.message_id = d.message_id
                                   AND w.webhook_id = $2 AND w.next_retry_at IS NOT NULL)`,
      values: [tenantId, webhookId, firstIdSince(since), firstIdAfter(until), since, until, status],
    })
    return Number(rows[0]?.count ?? 0)
  }

  /** Newest first; up to `limit`, after the replay `after`. */
  list(
    { tenantId, webhookId }: EndpointKey,
    { after, limit }: { after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<ReplayRow[]> {
    return tx.query<ReplayRow>({
      text: `SELECT ${COLUMNS} FROM webhook_replays
              WHERE tenant_id = $1 AND webhook_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
      values: [tenantId, webhookId, after ?? null, limit],
    })
  }

  /** Null when the webhook has none of that id, or is deleted. */
  async read({ tenantId, webhookId }: EndpointKey, id: string): Promise<ReplayRow | null> {
    const rows = await this.database.read<ReplayRow>(
      { tenantId },
      {
        text: `SELECT ${COLUMNS} FROM webhook_replays r
                WHERE r.tenant_id = $1 AND r.webhook_id = $2 AND r.id = $3 AND EXISTS
                  (SELECT FROM webhooks w WHERE w.tenant_id = r.tenant_id AND w.id = r.webhook_id AND w.deleted_at IS NULL)`,
        values: [tenantId, webhookId, id],
      },
    )
    return rows[0] ?? null
  }
}
