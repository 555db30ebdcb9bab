import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { SealedSecret } from '../endpoints/signing-secret.js'
import type { ClaimedDelivery } from './attempt.js'
import type { EndpointKey } from '../endpoint-key.js'

/** What a look over endpoints has found. */
export interface DueEndpoints {
  readonly due: readonly EndpointKey[]
  /** Where to go on; null: these were all. */
  readonly last: EndpointKey | null
}

export interface ClaimRequest extends EndpointKey {
  readonly limit: number
  /** Most deliveries to the endpoint under way at once, over all replicas. */
  readonly maxInFlight: number
  readonly claimMs: number
}

/** What a claim gave, and when the next one may give more. */
export interface Claimed {
  readonly deliveries: readonly ClaimedDelivery[]
  /** Null where nothing was claimed. */
  readonly url: string | null
  readonly secrets: readonly SealedSecret[]
  /** Until something of the endpoint's is due, or is out of its claim; null: nothing waits. */
  readonly nextDueMs: number | null
  /** Until it may be sent anything at all: its pace, or a pause. 0: now. Null: it is switched off. */
  readonly blockedMs: number | null
  /** It is blocked by a pause, and not by its pace. */
  readonly isPaused: boolean
}

const DISPATCH = { purpose: 'webhooks.dispatch' }
/** Deliveries of a recovering endpoint that one claim makes due. */
const RECOVERY_BATCH = 500
const CLOSE_BATCH = 1000
const WEBHOOK_DELETED = 'The webhook was deleted.'
/** Token bucket of an endpoint's pace: a tenth may come at once. */
const BUCKET = 'greatest(1, w.max_per_second / 10)'
/** What comes in a second; with a full bucket not more than the pace, with a little room for what the way to the receiver adds. */
const REFILL = `((w.max_per_second - ${BUCKET} + 1) * 0.95)`
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/**
 * The queue of deliveries: which endpoints have something due, and who takes it. Times are the database's, which all replicas
 * share. The look over all tenants has a policy of its own; what is taken is taken in its own tenant, under the lock of its
 * endpoint's health, so that pace and load hold over all replicas.
 */
@Injectable()
export class DeliveryQueueRepository {
  constructor(private readonly database: Database) {}

  /**
   * Endpoints of all tenants that have something due, in the order of their ids behind `after`: from endpoint to endpoint, whatever
   * the number of deliveries that each has waiting.
   */
  async listDueEndpoints(after: EndpointKey | null, limit: number): Promise<DueEndpoints> {
    const rows = await this.database.workers.read<EndpointKey & { isDue: boolean }>(DISPATCH, {
      name: 'webhook_due_endpoints',
      text: `WITH RECURSIVE endpoint AS (
               (SELECT d.tenant_id, d.webhook_id, d.next_retry_at, 1 AS nth FROM webhook_deliveries d
                 WHERE d.next_retry_at IS NOT NULL AND (d.tenant_id, d.webhook_id) > ($1, $2)
                 ORDER BY d.tenant_id, d.webhook_id, d.next_retry_at LIMIT 1)
               UNION ALL
               SELECT next.tenant_id, next.webhook_id, next.next_retry_at, e.nth + 1 FROM endpoint e CROSS JOIN LATERAL (
                 SELECT d.tenant_id, d.webhook_id, d.next_retry_at FROM webhook_deliveries d
                  WHERE d.next_retry_at IS NOT NULL AND (d.tenant_id, d.webhook_id) > (e.tenant_id, e.webhook_id)
                  ORDER BY d.tenant_id, d.webhook_id, d.next_retry_at LIMIT 1) AS next
                WHERE e.nth < $3
             )
             SELECT tenant_id AS "tenantId", webhook_id AS "webhookId", next_retry_at <= now() AS "isDue" FROM endpoint ORDER BY nth`,
      values: [after?.tenantId ?? FIRST_ID, after?.webhookId ?? FIRST_ID, limit],
    })
    return { due: rows.filter(({ isDue }) => isDue), last: rows.length === limit ? (rows.at(-1) ?? null) : null }
  }

  /** The same of one tenant, without endpoints that are switched off or paused. */
  listDueEndpointsOf(tenantId: string): Promise<EndpointKey[]> {
    return this.database.workers.read(
      { tenantId },
      {
        name: 'webhook_due_endpoints_of_tenant',
        text: `WITH RECURSIVE endpoint AS (
               (SELECT d.webhook_id, d.next_retry_at FROM webhook_deliveries d
                 WHERE d.tenant_id = $1 AND d.next_retry_at IS NOT NULL
                 ORDER BY d.webhook_id, d.next_retry_at LIMIT 1)
               UNION ALL
               SELECT next.webhook_id, next.next_retry_at FROM endpoint e CROSS JOIN LATERAL (
                 SELECT d.webhook_id, d.next_retry_at FROM webhook_deliveries d
                  WHERE d.tenant_id = $1 AND d.next_retry_at IS NOT NULL AND d.webhook_id > e.webhook_id
                  ORDER BY d.webhook_id, d.next_retry_at LIMIT 1) AS next
             )
             SELECT $1::uuid AS "tenantId", webhook_id AS "webhookId" FROM endpoint e
              WHERE next_retry_at <= now()
                AND EXISTS (SELECT FROM webhooks w JOIN webhook_health h ON h.tenant_id = w.tenant_id AND h.webhook_id = w.id
                             WHERE w.tenant_id = $1 AND w.id = e.webhook_id AND w.is_active
                               AND (h.paused_until IS NULL OR h.paused_until <= now()))`,
        values: [tenantId],
      },
    )
  }

  /** Takes what is due of an endpoint, longest due first, as much as its pace, its load and its circuit allow. One flight. */
  claim(request: ClaimRequest): Promise<Claimed> {
    const { tenantId } = request
    return this.database.workers.flight({ tenantId }, async (tx) => {
      // Statements of one flight come one after the other, each with what the ones before it have left.
      const [, , taken, [next], secrets] = await Promise.all([
        this.lockHealth(request, tx),
        this.makeRetriesDue(request, tx),
        this.take(request, tx),
        this.lookAhead(request, tx),
        this.listSecrets(request, tx),
      ])
      return {
        deliveries: taken.map(({ url: _url, ...delivery }) => ({ ...delivery, tenantId })),
        url: taken[0]?.url ?? null,
        secrets,
        nextDueMs: next?.nextDueMs ?? null,
        blockedMs: next?.blockedMs ?? null,
        isPaused: next?.isPaused ?? false,
      }
    })
  }

  /** Ends what waits for an endpoint that was deleted; nothing where it was not. In batches: nobody waits for it. */
  async closeDeleted({ tenantId, webhookId }: EndpointKey): Promise<void> {
    let closed = CLOSE_BATCH
    while (closed === CLOSE_BATCH) {
      closed = await this.database.workers.flight({ tenantId }, (tx) =>
        tx.execute({
          name: 'webhook_close_deleted',
          text: `UPDATE webhook_deliveries d
                    SET status = 'exhausted', next_retry_at = NULL, finished_at = now(), last_error = $3, is_early = false
                   FROM (SELECT q.id FROM webhooks w
                           JOIN webhook_deliveries q ON q.tenant_id = w.tenant_id AND q.webhook_id = w.id
                          WHERE w.tenant_id = $1 AND w.id = $2 AND w.deleted_at IS NOT NULL AND q.next_retry_at IS NOT NULL
                            AND (q.status <> 'delivering' OR q.next_retry_at <= now())
                          ORDER BY q.next_retry_at LIMIT ${CLOSE_BATCH} FOR NO KEY UPDATE OF q SKIP LOCKED) AS left_over
                  WHERE d.tenant_id = $1 AND d.id = left_over.id`,
          values: [tenantId, webhookId, WEBHOOK_DELETED],
        }),
      )
    }
  }

  /** Gives back what was claimed and not sent: it is due again, and it was no attempt. */
  async release(tenantId: string, deliveries: readonly ClaimedDelivery[]): Promise<void> {
    await this.database.workers.flight({ tenantId }, (tx) =>
      tx.execute({
        name: 'webhook_release',
        text: `UPDATE webhook_deliveries d
                  SET status = CASE WHEN d.attempts = 0 THEN 'pending' ELSE 'retrying' END, next_retry_at = held.due_at
                 FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) AS held (id, claim_number, due_at)
                WHERE d.tenant_id = $1 AND d.id = held.id AND d.claim_number = held.claim_number AND d.status = 'delivering'`,
        values: [
          tenantId,
          deliveries.map(({ id }) => id),
          deliveries.map(({ claimNumber }) => claimNumber),
          deliveries.map(({ dueAt }) => dueAt),
        ],
      }),
    )
  }

  private lockHealth({ tenantId, webhookId }: EndpointKey, tx: Tx): Promise<unknown> {
    return tx.execute({
      name: 'webhook_lock_health',
      text: 'SELECT 1 FROM webhook_health WHERE tenant_id = $1 AND webhook_id = $2 FOR NO KEY UPDATE',
      values: [tenantId, webhookId],
    })
  }

  /**
   * After a time of failure, what waits for a retry need not wait any longer: it takes its place by its age. Each once, behind a
   * cursor, so that one that fails on waits like any other.
   */
  private makeRetriesDue({ tenantId, webhookId }: EndpointKey, tx: Tx): Promise<unknown> {
    return tx.execute({
      name: 'webhook_make_retries_due',
      text: `WITH waiting AS (
               SELECT d.id FROM webhook_health h
                 JOIN webhook_deliveries d ON d.tenant_id = h.tenant_id AND d.webhook_id = h.webhook_id
                WHERE h.tenant_id = $1 AND h.webhook_id = $2 AND h.is_recovering AND d.status = 'retrying'
                  AND d.id > coalesce(h.recovery_cursor, $3)
                ORDER BY d.id LIMIT ${RECOVERY_BATCH} FOR NO KEY UPDATE OF d
             ), made_due AS (
               UPDATE webhook_deliveries d SET next_retry_at = least(d.next_retry_at, d.created_at), is_early = true
                 FROM waiting WHERE d.tenant_id = $1 AND d.id = waiting.id
             ), last AS (
               SELECT (SELECT id FROM waiting ORDER BY id DESC LIMIT 1) AS id
             )
             UPDATE webhook_health h SET recovery_cursor = last.id, is_recovering = last.id IS NOT NULL
               FROM last WHERE h.tenant_id = $1 AND h.webhook_id = $2 AND h.is_recovering`,
      values: [tenantId, webhookId, FIRST_ID],
    })
  }

  private take(
    { tenantId, webhookId, limit, maxInFlight, claimMs }: ClaimRequest,
    tx: Tx,
  ): Promise<(Omit<ClaimedDelivery, 'tenantId'> & { url: string })[]> {
    return tx.query({
      name: 'webhook_take',
      text: `WITH endpoint AS (
               SELECT w.url, w.max_per_second, h.circuit_level, h.paused_until, h.tokens, h.tokens_at, clock_timestamp() AS at,
                      ${BUCKET} AS size, ${REFILL} AS refill
                 FROM webhooks w JOIN webhook_health h ON h.tenant_id = w.tenant_id AND h.webhook_id = w.id
                WHERE w.tenant_id = $1 AND w.id = $2 AND w.is_active
             ), under_way AS (
               SELECT count(*) AS n FROM webhook_deliveries
                WHERE tenant_id = $1 AND webhook_id = $2 AND status = 'delivering' AND next_retry_at > now()
             ), bucket AS (
               SELECT least(e.size, e.tokens + greatest(0, extract(epoch FROM e.at - e.tokens_at)) * e.refill)
                        AS tokens
                 FROM endpoint e WHERE e.max_per_second IS NOT NULL
             ), allowed AS (
               SELECT greatest(0, least($3::integer, $4::integer - u.n, coalesce(floor(b.tokens), $3),
                        CASE WHEN e.paused_until > e.at THEN 0 WHEN e.circuit_level > 0 THEN 1 - u.n ELSE $3 END))::integer AS n
                 FROM endpoint e CROSS JOIN under_way u LEFT JOIN bucket b ON true
             ), due AS (
               SELECT d.id, d.next_retry_at FROM webhook_deliveries d
                WHERE d.tenant_id = $1 AND d.webhook_id = $2 AND d.next_retry_at <= now()
                ORDER BY d.next_retry_at, d.id LIMIT coalesce((SELECT n FROM allowed), 0) FOR NO KEY UPDATE SKIP LOCKED
             ), taken AS (
               UPDATE webhook_deliveries d
                  SET status = 'delivering', claim_number = d.claim_number + 1,
                      next_retry_at = clock_timestamp() + $5 * interval '1 ms'
                 FROM due WHERE d.tenant_id = $1 AND d.id = due.id
              RETURNING d.id, d.claim_number, d.message_id, d.event_type, d.attempts, d.retry_step, d.is_early,
                        due.next_retry_at AS due_at, d.created_at
             ), paid AS (
               UPDATE webhook_health h SET tokens = b.tokens - (SELECT count(*) FROM taken), tokens_at = e.at
                 FROM bucket b CROSS JOIN endpoint e
                WHERE h.tenant_id = $1 AND h.webhook_id = $2 AND EXISTS (SELECT FROM taken)
             )
             SELECT t.id, $2::uuid AS "webhookId", t.claim_number AS "claimNumber", t.message_id AS "messageId",
                    t.event_type AS "eventType", m.body, t.attempts, t.retry_step AS "retryStep", t.is_early AS "isEarly", t.due_at AS "dueAt", t.created_at AS "createdAt", e.url
               FROM taken t JOIN webhook_messages m ON m.tenant_id = $1 AND m.id = t.message_id CROSS JOIN endpoint e
              ORDER BY t.due_at, t.id`,
      values: [tenantId, webhookId, limit, maxInFlight, claimMs],
    })
  }

  /** No row: the endpoint is switched off. */
  private lookAhead(
    { tenantId, webhookId }: EndpointKey,
    tx: Tx,
  ): Promise<{ nextDueMs: number | null; blockedMs: number; isPaused: boolean }[]> {
    return tx.query({
      name: 'webhook_look_ahead',
      text: `SELECT (SELECT greatest(0, extract(epoch FROM min(d.next_retry_at) - clock_timestamp()) * 1000)::float8
                       FROM webhook_deliveries d
                      WHERE d.tenant_id = $1 AND d.webhook_id = $2 AND d.next_retry_at IS NOT NULL) AS "nextDueMs",
                    greatest(0, extract(epoch FROM h.paused_until - clock_timestamp()) * 1000,
                      1000 * (1 - h.tokens - extract(epoch FROM clock_timestamp() - h.tokens_at) * ${REFILL}) / ${REFILL}
                    )::float8 AS "blockedMs",
                    coalesce(h.paused_until > clock_timestamp(), false) AS "isPaused"
               FROM webhooks w JOIN webhook_health h ON h.tenant_id = w.tenant_id AND h.webhook_id = w.id
              WHERE w.tenant_id = $1 AND w.id = $2 AND w.is_active`,
      values: [tenantId, webhookId],
    })
  }

  private listSecrets({ tenantId, webhookId }: EndpointKey, tx: Tx): Promise<SealedSecret[]> {
    return tx.query({
      name: 'webhook_signing_secrets',
      text: `SELECT tenant_id AS "tenantId", webhook_id AS "webhookId", id, sealed FROM webhook_secrets
              WHERE tenant_id = $1 AND webhook_id = $2 AND (expires_at IS NULL OR expires_at > now())
              ORDER BY expires_at DESC NULLS FIRST`,
      values: [tenantId, webhookId],
    })
  }
}
