import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { firstIdAfter, firstIdSince } from '../deliveries/id-bounds.js'
import type { ReplayWindow } from './replay-window.js'

const OPEN = { purpose: 'webhooks.replay' }
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

export interface OpenReplay {
  readonly tenantId: string
  readonly id: string
  readonly webhookId: string
}

/** An open replay that nobody else works on until the transaction ends. */
export interface HeldReplay extends OpenReplay, ReplayWindow {
  /** The last delivery that it has seen; null: none yet. */
  readonly cursor: string | null
  readonly isWebhookDeleted: boolean
}

export interface ReplayBatch {
  /** Ids for what it makes, growing: as many as the deliveries that it looks at. */
  readonly ids: readonly string[]
  readonly now: Date
}

/** The work of replays: which are open, and a batch at a time of what they make. */
@Injectable()
export class ReplayBatchesRepository {
  constructor(private readonly database: Database) {}

  /** Of all tenants, in one order; up to `limit`, behind `after`. */
  listOpen({ after, limit }: { after: OpenReplay | undefined; limit: number }): Promise<OpenReplay[]> {
    return this.database.workers.read(OPEN, {
      name: 'webhook_replays_open',
      text: `SELECT tenant_id AS "tenantId", id, webhook_id AS "webhookId" FROM webhook_replays
              WHERE finished_at IS NULL AND (tenant_id, webhook_id) > ($1, $2) ORDER BY tenant_id, webhook_id LIMIT $3`,
      values: [after?.tenantId ?? FIRST_ID, after?.webhookId ?? FIRST_ID, limit],
    })
  }

  /** Null when it is finished, or somebody else is at it. Scope: its tenant, as of all that follows. */
  async hold({ tenantId, id }: OpenReplay, tx: Tx): Promise<HeldReplay | null> {
    const rows = await tx.query<HeldReplay>({
      name: 'webhook_replay_hold',
      text: `SELECT r.tenant_id AS "tenantId", r.id, r.webhook_id AS "webhookId", r.since, r.until, r.status, r.cursor,
                    w.deleted_at IS NOT NULL AS "isWebhookDeleted"
               FROM webhook_replays r JOIN webhooks w ON w.tenant_id = r.tenant_id AND w.id = r.webhook_id
              WHERE r.tenant_id = $1 AND r.id = $2 AND r.finished_at IS NULL FOR NO KEY UPDATE OF r SKIP LOCKED`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /**
   * Makes the next deliveries of a replay that is held, and finishes it when there were no more. Which messages it has told already,
   * its own deliveries say: statuses change while it works, and so does what matches. The time of the statement, and not that of the
   * transaction, puts batches in line: whichever replica made one, the next is behind it.
   * @returns how many messages, and whether it is finished
   */
  async advance(
    { tenantId, id, webhookId, since, until, status, cursor }: HeldReplay,
    { ids, now }: ReplayBatch,
    tx: Tx,
  ): Promise<{ added: number; isFinished: boolean }> {
    const rows = await tx.query<{ added: number; isFinished: boolean }>({
      text: `WITH page AS MATERIALIZED (
               SELECT id, message_id, event_type FROM webhook_deliveries
                WHERE tenant_id = $1 AND webhook_id = $2 AND id > $3 AND id < $4 AND created_at >= $5 AND created_at < $6
                  AND ($7::text IS NULL OR status = $7)
                ORDER BY id LIMIT cardinality($9::uuid[])
             ), message AS (
               SELECT DISTINCT ON (message_id) id, message_id, event_type FROM page ORDER BY message_id, id
             ), untold AS (
               SELECT message_id, event_type, row_number() OVER (ORDER BY id) AS place FROM message
                WHERE NOT EXISTS (SELECT FROM webhook_deliveries made
                                   WHERE made.tenant_id = $1 AND made.message_id = message.message_id AND made.replay_id = $8)
             ), added AS (
               INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, next_retry_at, replay_id,
                                               created_at)
               SELECT $1, ($9::uuid[])[place], $2, message_id, event_type, 'pending', statement_timestamp(), $8, $10 FROM untold
               RETURNING 1
             )
             UPDATE webhook_replays
                SET cursor = coalesce((SELECT id FROM page ORDER BY id DESC LIMIT 1), cursor),
                    replayed = replayed + (SELECT count(*) FROM added),
                    finished_at = CASE WHEN (SELECT count(*) FROM page) < cardinality($9::uuid[]) THEN $10::timestamptz END
              WHERE tenant_id = $1 AND id = $8
          RETURNING (SELECT count(*) FROM added)::integer AS added, finished_at IS NOT NULL AS "isFinished"`,
      values: [
        tenantId,
        webhookId,
        cursor ?? firstIdSince(since),
        firstIdAfter(until),
        since,
        until,
        status,
        id,
        ids,
        now,
      ],
    })
    return rows[0] as { added: number; isFinished: boolean }
  }

  /** There is nobody left to tell. */
  async abandon({ tenantId, id }: OpenReplay, now: Date, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE webhook_replays SET finished_at = $3 WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id, now],
    })
  }

  /** Removes replays of the webhook that ended so long ago that what they made is gone, too. */
  async forget({ tenantId, webhookId }: OpenReplay, retentionDays: number, tx: Tx): Promise<void> {
    await tx.execute({
      text: `DELETE FROM webhook_replays WHERE tenant_id = $1 AND webhook_id = $2 AND finished_at < now() - $3 * interval '1 day'`,
      values: [tenantId, webhookId, retentionDays],
    })
  }
}
