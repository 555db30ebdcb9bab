import { Injectable } from '@nestjs/common'
import { toStorableJson } from '#kernel/storable.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { DisabledReason } from '../disabled-reason.js'
import { isGone } from './attempt.js'
import type { Outcome } from './outcome.js'

/** When an endpoint is left alone, and when it is given up. */
export interface CircuitPolicy {
  readonly failures: number
  readonly minSeconds: number
  readonly maxSeconds: number
  readonly disableAfterHours: number
}

/** An endpoint that there is no point in sending to any more, at the URL that was sent to. */
export interface HopelessEndpoint {
  readonly webhookId: string
  readonly url: string
  readonly reason: DisabledReason
}

/** Failures further apart than this are not one time of failure: no two attempts of a delivery are. */
const SILENCE_HOURS = 48

/** Writes what became of attempts. */
@Injectable()
export class DeliveryOutcomesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Writes outcomes of one tenant's deliveries in one flight: attempts, deliveries, and their endpoints' health. Of a delivery whose
   * claim is somebody else's by now, nothing is written.
   */
  async add(
    tenantId: string,
    outcomes: readonly Outcome[],
    policy: CircuitPolicy,
  ): Promise<readonly HopelessEndpoint[]> {
    const webhookIds = [...new Set(outcomes.map(({ delivery }) => delivery.webhookId))]
    return this.database.workers.flight({ tenantId }, async (tx) => {
      const [, judged] = await Promise.all([
        this.lockHealth(tenantId, webhookIds, tx),
        this.settle(tenantId, outcomes, policy, tx),
        this.wakeRecovering(webhookIds, tx),
      ])
      return judged.flatMap(({ reason, ...endpoint }) => (reason === null ? [] : [{ ...endpoint, reason }]))
    })
  }

  /** In one order, and before the deliveries: whoever claims locks so, too. */
  private lockHealth(tenantId: string, webhookIds: readonly string[], tx: Tx): Promise<unknown> {
    return tx.execute({
      name: 'webhook_lock_healths',
      text: `SELECT 1 FROM webhook_health WHERE tenant_id = $1 AND webhook_id = ANY($2)
              ORDER BY webhook_id FOR NO KEY UPDATE`,
      values: [tenantId, webhookIds],
    })
  }

  /**
   * A success closes the circuit, and lets retries that were put off go. Failures open it, at the limit or when the one delivery
   * fails that was to try it, each time for twice as long; requests that were under way when it opened say nothing new. What was
   * sent to a URL that the endpoint has no more says nothing at all.
   */
  private settle(
    tenantId: string,
    outcomes: readonly Outcome[],
    { failures, minSeconds, maxSeconds, disableAfterHours }: CircuitPolicy,
    tx: Tx,
  ): Promise<{ webhookId: string; url: string; reason: DisabledReason | null }[]> {
    return tx.query({
      name: 'webhook_settle',
      text: `WITH outcome AS (
               SELECT * FROM jsonb_to_recordset($2) AS o (id uuid, claim_number bigint, status text, retry_step integer,
                 delay_ms float8, pause_ms float8, is_gone boolean, url text, error text, started_at timestamptz,
                 duration_ms integer, response_status integer, response_headers jsonb, response_body text)
             ), settled AS (
               UPDATE webhook_deliveries d
                  SET status = o.status, attempts = d.attempts + 1, retry_step = o.retry_step, is_early = false,
                      next_retry_at = now() + o.delay_ms * interval '1 ms', last_status = o.response_status,
                      last_error = o.error, finished_at = CASE WHEN o.delay_ms IS NULL THEN now() END
                 FROM outcome o
                WHERE d.tenant_id = $1 AND d.id = o.id AND d.claim_number = o.claim_number AND d.status = 'delivering'
              RETURNING d.id, d.webhook_id, d.attempts
             ), logged AS (
               INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms, response_status,
                                             response_headers, response_body, error)
               SELECT $1, s.id, s.attempts, o.started_at, o.duration_ms, o.response_status, o.response_headers,
                      o.response_body, o.error
                 FROM settled s JOIN outcome o ON o.id = s.id
             ), tally AS (
               SELECT s.webhook_id, w.url, count(*) FILTER (WHERE o.status = 'delivered') AS successes,
                      count(*) FILTER (WHERE o.status <> 'delivered') AS failures,
                      count(*) FILTER (WHERE o.status <> 'delivered'
                        AND o.started_at > coalesce(h.circuit_opened_at, '-infinity')) AS fresh_failures,
                      now() + max(o.pause_ms) * interval '1 ms' AS asked_until, bool_or(o.is_gone) AS is_gone
                 FROM settled s JOIN outcome o ON o.id = s.id
                 JOIN webhooks w ON w.tenant_id = $1 AND w.id = s.webhook_id AND w.url = o.url
                 JOIN webhook_health h ON h.tenant_id = $1 AND h.webhook_id = s.webhook_id
                GROUP BY s.webhook_id, w.url
             ), judged AS (
               SELECT t.*, t.successes > 0 AS is_well, t.successes > 0 AND h.circuit_level > 0 AS closes,
                      t.successes = 0 AND t.fresh_failures > 0 AND (h.paused_until IS NULL OR h.paused_until <= now())
                        AND (h.circuit_level > 0 OR h.consecutive_failures + t.failures >= $3) AS opens,
                      least($5::float8, $4::float8 * power(2, least(h.circuit_level, 20))) AS open_seconds
                 FROM tally t JOIN webhook_health h ON h.tenant_id = $1 AND h.webhook_id = t.webhook_id
             )
             UPDATE webhook_health h
                SET consecutive_failures = CASE WHEN j.is_well THEN 0 ELSE h.consecutive_failures + j.failures END,
                    circuit_level = CASE WHEN j.is_well THEN 0 WHEN j.opens THEN h.circuit_level + 1 ELSE h.circuit_level END,
                    circuit_opened_at = CASE WHEN j.is_well THEN NULL WHEN j.opens THEN now() ELSE h.circuit_opened_at END,
                    paused_until = greatest(j.asked_until, CASE WHEN j.opens THEN now() + j.open_seconds * interval '1 s'
                                                                WHEN NOT j.closes THEN h.paused_until END),
                    is_recovering = h.is_recovering OR j.closes,
                    recovery_cursor = CASE WHEN NOT j.closes THEN h.recovery_cursor END,
                    failing_since = CASE WHEN j.is_well THEN NULL
                                         WHEN h.last_failure_at < now() - ${SILENCE_HOURS} * interval '1 hour' THEN now()
                                         ELSE coalesce(h.failing_since, now()) END,
                    last_success_at = CASE WHEN j.is_well THEN now() ELSE h.last_success_at END,
                    last_failure_at = CASE WHEN j.failures > 0 THEN now() ELSE h.last_failure_at END
               FROM judged j
              WHERE h.tenant_id = $1 AND h.webhook_id = j.webhook_id
          RETURNING h.webhook_id AS "webhookId", j.url, CASE WHEN j.is_gone THEN 'gone'
                    WHEN h.failing_since < now() - $6 * interval '1 hour' AND h.consecutive_failures >= $3 THEN 'failing' END
                      AS reason`,
      values: [tenantId, toStorableJson(outcomes.map(toRow)), failures, minSeconds, maxSeconds, disableAfterHours],
    })
  }

  private wakeRecovering(webhookIds: readonly string[], tx: Tx): Promise<unknown> {
    return tx.query({
      name: 'webhook_wake_recovering',
      text: 'SELECT webhook_wake_recovering($1)',
      values: [webhookIds],
    })
  }
}

function toRow({ delivery, attempt, status, retryStep, delayMs, pauseMs }: Outcome) {
  return {
    id: delivery.id,
    claim_number: delivery.claimNumber,
    status,
    retry_step: retryStep,
    delay_ms: delayMs,
    pause_ms: pauseMs,
    is_gone: isGone(attempt),
    url: attempt.url,
    error: attempt.error,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    response_status: attempt.status,
    response_headers: attempt.headers,
    response_body: attempt.body,
  }
}
