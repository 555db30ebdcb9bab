import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { toStorableJson } from '#kernel/storable.js'
import type { Outcome } from './outcome.js'
import type { Tx } from '#platform/database/tx.js'

/** When an endpoint is left alone, and when it is given up. */
export interface CircuitPolicy {
  readonly failures: number
  readonly minSeconds: number
  readonly maxSeconds: number
  readonly disableAfterHours: number
}

/** What a number of outcomes together say of one endpoint. */
interface EndpointTally {
  readonly webhook_id: string
  successes: number
  failures: number
  pause_ms: number | null
}

/** Writes what became of attempts. */
@Injectable()
export class DeliveryOutcomesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Writes outcomes of one tenant's deliveries in one flight: attempts, deliveries, and their endpoints' health. Of a delivery whose
   * claim is somebody else's by now, nothing is written.
   * @returns endpoints that have done nothing but fail for too long
   */
  async add(tenantId: string, outcomes: readonly Outcome[], policy: CircuitPolicy): Promise<readonly string[]> {
    const tallies = tally(outcomes)
    return this.database.workers.flight({ tenantId }, async (tx) => {
      const [, , hopeless] = await Promise.all([
        this.lockHealth(tenantId, tallies, tx),
        this.settle(tenantId, outcomes, tx),
        this.updateHealth(tenantId, tallies, policy, tx),
        this.wakeRecovering(tallies, tx),
      ])
      return hopeless.filter(({ isHopeless }) => isHopeless).map(({ webhookId }) => webhookId)
    })
  }

  /** In one order, and before the deliveries: whoever claims locks so, too. */
  private lockHealth(tenantId: string, tallies: readonly EndpointTally[], tx: Tx): Promise<unknown> {
    return tx.execute({
      name: 'webhook_lock_healths',
      text: `SELECT 1 FROM webhook_health WHERE tenant_id = $1 AND webhook_id = ANY($2)
              ORDER BY webhook_id FOR NO KEY UPDATE`,
      values: [tenantId, tallies.map((one) => one.webhook_id)],
    })
  }

  private settle(tenantId: string, outcomes: readonly Outcome[], tx: Tx): Promise<unknown> {
    return tx.execute({
      name: 'webhook_settle',
      text: `WITH outcome AS (
               SELECT * FROM jsonb_to_recordset($2) AS o (id uuid, claim_number bigint, status text, delay_ms float8, error text,
                 started_at timestamptz, duration_ms integer, response_status integer, response_headers jsonb, response_body text)
             ), settled AS (
               UPDATE webhook_deliveries d
                  SET status = o.status, attempts = d.attempts + 1, next_retry_at = now() + o.delay_ms * interval '1 ms',
                      last_status = o.response_status, last_error = o.error,
                      finished_at = CASE WHEN o.delay_ms IS NULL THEN now() END
                 FROM outcome o
                WHERE d.tenant_id = $1 AND d.id = o.id AND d.claim_number = o.claim_number AND d.status = 'delivering'
              RETURNING d.id, d.attempts
             )
             INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms, response_status,
                                           response_headers, response_body, error)
             SELECT $1, s.id, s.attempts, o.started_at, o.duration_ms, o.response_status, o.response_headers, o.response_body, o.error
               FROM settled s JOIN outcome o ON o.id = s.id`,
      values: [tenantId, toStorableJson(outcomes.map(toRow))],
    })
  }

  private wakeRecovering(tallies: readonly EndpointTally[], tx: Tx): Promise<unknown> {
    return tx.query({
      name: 'webhook_wake_recovering',
      text: 'SELECT webhook_wake_recovering($1)',
      values: [tallies.map((one) => one.webhook_id)],
    })
  }

  /**
   * A success closes the circuit, and lets retries that were put off go. Failures open it, at the limit or when the one delivery
   * fails that was to try it, each time for twice as long; those of requests that were under way when it opened count for nothing more.
   */
  private updateHealth(
    tenantId: string,
    tallies: readonly EndpointTally[],
    { failures, minSeconds, maxSeconds, disableAfterHours }: CircuitPolicy,
    tx: Tx,
  ): Promise<{ webhookId: string; isHopeless: boolean }[]> {
    return tx.query({
      name: 'webhook_update_health',
      text: `WITH tally AS (
               SELECT * FROM jsonb_to_recordset($2) AS t (webhook_id uuid, successes integer, failures integer, pause_ms float8)
             ), judged AS (
               SELECT t.*, now() + t.pause_ms * interval '1 ms' AS asked_until, h.circuit_level, h.paused_until,
                      t.successes = 0 AND (h.paused_until IS NULL OR h.paused_until <= now())
                        AND (h.circuit_level > 0 OR h.consecutive_failures + t.failures >= $3) AS opens,
                      least($5::float8, $4::float8 * power(2, least(h.circuit_level, 20))) AS open_seconds
                 FROM tally t JOIN webhook_health h ON h.tenant_id = $1 AND h.webhook_id = t.webhook_id
             )
             UPDATE webhook_health h
                SET consecutive_failures = CASE WHEN j.successes > 0 THEN 0 ELSE h.consecutive_failures + j.failures END,
                    circuit_level = CASE WHEN j.successes > 0 THEN 0 WHEN j.opens THEN h.circuit_level + 1 ELSE h.circuit_level END,
                    paused_until = greatest(j.asked_until, CASE
                      WHEN j.opens THEN now() + j.open_seconds * interval '1 s'
                      WHEN j.successes > 0 AND h.circuit_level > 0 THEN NULL
                      ELSE h.paused_until END),
                    is_recovering = h.is_recovering OR (j.successes > 0 AND h.circuit_level > 0),
                    recovery_cursor = CASE WHEN j.successes > 0 AND h.circuit_level > 0 THEN NULL ELSE h.recovery_cursor END,
                    failing_since = CASE WHEN j.successes = 0 THEN coalesce(h.failing_since, now()) END,
                    last_success_at = CASE WHEN j.successes > 0 THEN now() ELSE h.last_success_at END,
                    last_failure_at = CASE WHEN j.failures > 0 THEN now() ELSE h.last_failure_at END
               FROM judged j
              WHERE h.tenant_id = $1 AND h.webhook_id = j.webhook_id
          RETURNING h.webhook_id AS "webhookId",
                    coalesce(h.failing_since < now() - $6 * interval '1 hour' AND h.consecutive_failures >= $3, false) AS "isHopeless"`,
      values: [tenantId, JSON.stringify(tallies), failures, minSeconds, maxSeconds, disableAfterHours],
    })
  }
}

function tally(outcomes: readonly Outcome[]): EndpointTally[] {
  const tallies = new Map<string, EndpointTally>()
  for (const { delivery, status, pauseMs } of outcomes) {
    const { webhookId } = delivery
    const one = tallies.get(webhookId) ?? { webhook_id: webhookId, successes: 0, failures: 0, pause_ms: null }
    tallies.set(webhookId, one)
    if (status === 'delivered') one.successes += 1
    else one.failures += 1
    if (pauseMs !== null) one.pause_ms = Math.max(pauseMs, one.pause_ms ?? 0)
  }
  return [...tallies.values()].sort((a, b) => (a.webhook_id < b.webhook_id ? -1 : 1))
}

function toRow({ delivery, attempt, status, delayMs }: Outcome) {
  return {
    id: delivery.id,
    claim_number: delivery.claimNumber,
    status,
    delay_ms: delayMs,
    error: attempt.error,
    started_at: attempt.startedAt,
    duration_ms: attempt.durationMs,
    response_status: attempt.status,
    response_headers: attempt.headers,
    response_body: attempt.body,
  }
}
