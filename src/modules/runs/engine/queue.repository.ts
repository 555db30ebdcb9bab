import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunInput } from '../run.entity.js'
import type { Claim, ClaimedRun } from './claimed-run.js'
import { ROOT_PLACE } from './root-place.js'

export interface QueuedRun {
  readonly tenantId: string
  readonly runId: string
}

export interface TenantLoad {
  readonly tenantId: string
  readonly runs: number
}

/** What a look at the queue found, and up to which tenant it went; null: to the last. */
export interface QueueLook {
  readonly runs: readonly QueuedRun[]
  readonly upTo: string | null
}

export interface QueueRequest {
  readonly limit: number
  /** Runs that each tenant has in flight here already; tenants in the order in which they last got a slot. */
  readonly loads: readonly TenantLoad[]
  /** Most runs of one tenant in flight here. */
  readonly tenantLimit: number
  /** Tenants are visited in the order of their ids, after this one. */
  readonly after: string
  readonly tenants: number
}

interface ClaimRow {
  tenantId: string
  runId: string
  fencingNumber: string
  projectId: string | null
  agent: string
  agentVersion: number
  task: string
  context: string | null
  model: string
  input: RunInput
  cache: 'hit' | 'miss' | 'off'
  userId: string | null
  apiKeyId: string | null
  parentRunId: string | null
  scheduleId: string | null
  rootRunId: string
  depth: number
  attempt: number
  startedAt: Date
  deadlineAt: Date
  lastEvent: string
  steps: number
  inputTokens: string
  cachedInputTokens: string
  outputTokens: string
  reasoningTokens: string
  costUsd: string | null
  isCancelled: boolean
  wasLost: boolean
  isStart: boolean
}

/** How a held run stands after a renewal. */
export interface RenewedLease {
  readonly isCancelled: boolean
  /** False: its row was locked. */
  readonly isRenewed: boolean
}

const SWEEP = { purpose: 'runs.sweep' }

/**
 * Which runs wait for a worker, and who takes them. Leases are on the database's clock, which all replicas share. Reads over all
 * tenants have a policy of their own that shows unfinished runs alone; what is taken is taken in the run's own tenant.
 */
@Injectable()
export class QueueRepository {
  constructor(private readonly database: Database) {}

  /**
   * The runs that are next: of each tenant the longest waiting ones, tenants with less in flight first, of those the one
   * that has waited longest for a slot, so that ten thousand runs in the queue do not stand before another's first. Only so many tenants at a time.
   */
  async listNext({ limit, loads, tenantLimit, after, tenants }: QueueRequest): Promise<QueueLook> {
    const rows = await this.database.workers.read<Partial<QueuedRun> & { upTo: string | null }>(SWEEP, {
      name: 'run_queue',
      text: `WITH RECURSIVE waiting AS (
               (SELECT r.tenant_id, 1 AS nth FROM runs r WHERE r.queued_since IS NOT NULL AND r.tenant_id > $4
                 ORDER BY r.tenant_id LIMIT 1)
               UNION ALL
               SELECT (SELECT r.tenant_id FROM runs r WHERE r.queued_since IS NOT NULL AND r.tenant_id > w.tenant_id
                        ORDER BY r.tenant_id LIMIT 1), w.nth + 1
                 FROM waiting w WHERE w.tenant_id IS NOT NULL AND w.nth < $5
             )
             SELECT round."upTo", chosen.tenant_id AS "tenantId", chosen.id AS "runId"
               FROM (SELECT (SELECT w.tenant_id FROM waiting w WHERE w.nth = $5) AS "upTo") AS round
               LEFT JOIN (
                     SELECT next.tenant_id, next.id FROM waiting w
                       LEFT JOIN unnest($2::uuid[], $3::integer[]) WITH ORDINALITY AS busy (tenant_id, runs, turn)
                              ON busy.tenant_id = w.tenant_id
                      CROSS JOIN LATERAL (
                             SELECT r.tenant_id, r.id, row_number() OVER (ORDER BY r.queued_since, r.id) AS nth FROM runs r
                              WHERE r.tenant_id = w.tenant_id AND r.queued_since IS NOT NULL
                              ORDER BY r.queued_since, r.id
                              LIMIT greatest(0, least($1::integer, $6::integer - coalesce(busy.runs, 0)))) AS next
                      WHERE w.tenant_id IS NOT NULL
                      ORDER BY coalesce(busy.runs, 0) + next.nth, coalesce(busy.turn, 0), next.id LIMIT $1) AS chosen ON true`,
      values: [
        limit,
        loads.map(({ tenantId }) => tenantId),
        loads.map(({ runs }) => runs),
        after,
        tenants,
        tenantLimit,
      ],
    })
    const runs = rows.flatMap(({ tenantId, runId }) => (tenantId && runId ? [{ tenantId, runId }] : []))
    return { runs, upTo: rows[0]?.upTo ?? null }
  }

  /** Runs of all tenants whose worker has gone silent and that are not in the queue yet. Longest silent first. */
  listLost(limit: number): Promise<QueuedRun[]> {
    return this.database.workers.read(SWEEP, {
      name: 'run_lost',
      text: `SELECT tenant_id AS "tenantId", id AS "runId" FROM runs
              WHERE status = 'running' AND lease_expires_at < now() AND queued_since IS NULL
              ORDER BY lease_expires_at LIMIT $1`,
      values: [limit],
    })
  }

  /**
   * Puts runs that were lost into the queue, at their roots' place. The lease stays as it was: it tells that they were lost, and
   * their worker may still renew it, which takes them out of the queue.
   * @returns whether there were any that nobody else has put there
   */
  async queueLost(tenantId: string, runIds: readonly string[], tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      name: 'run_queue_lost',
      text: `UPDATE runs r SET queued_since = ${ROOT_PLACE}
               FROM (SELECT l.id FROM runs l
                      WHERE l.tenant_id = $1 AND l.id = ANY($2) AND l.status = 'running' AND l.lease_expires_at < now()
                        AND l.queued_since IS NULL
                      ORDER BY l.id FOR NO KEY UPDATE SKIP LOCKED) AS lost
              WHERE r.tenant_id = $1 AND r.id = lost.id`,
      values: [tenantId, runIds],
    })
    return changed > 0
  }

  /**
   * Runs of all tenants that wait for their children past their own time limit, in the order of tenants and ids, behind `after`.
   * Some of them may have to wait on, for a person: who asks again goes on behind them.
   */
  listOverdue(limit: number, after: QueuedRun): Promise<QueuedRun[]> {
    return this.database.workers.read(SWEEP, {
      name: 'run_overdue',
      text: `SELECT tenant_id AS "tenantId", id AS "runId" FROM runs
              WHERE status = 'running' AND (tenant_id, id) > ($2, $3) AND lease_expires_at IS NULL AND queued_since IS NULL
                AND deadline_at < now()
              ORDER BY tenant_id, id LIMIT $1`,
      values: [limit, after.tenantId, after.runId],
    })
  }

  /**
   * Puts a run that waits for its children back into the queue, unless one of its tree waits for a person.
   * @returns whether it is there now
   */
  async queueOverdue({ tenantId, runId }: QueuedRun, tx: Tx): Promise<boolean> {
    const changed = await tx.execute({
      name: 'run_queue_overdue',
      text: `UPDATE runs r SET queued_since = ${ROOT_PLACE}
              WHERE r.tenant_id = $1 AND r.id = $2 AND r.status = 'running' AND r.lease_expires_at IS NULL
                AND r.queued_since IS NULL AND r.deadline_at < now()
                AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.tenant_id = r.tenant_id AND c.root_run_id = r.root_run_id
                                   AND c.parent_run_id IS NOT NULL AND c.status = 'waiting_approval')`,
      values: [tenantId, runId],
    })
    return changed === 1
  }

  /**
   * Takes those of one tenant's runs that wait; what somebody else is just taking is his, and what was lost and is renewed after
   * all is its worker's. A run that was lost costs an attempt; one that resumes in good order does not.
   */
  async claim(
    claim: { tenantId: string; runIds: readonly string[]; leaseMs: number; timeoutSeconds: number; now: Date },
    tx: Tx,
  ): Promise<ClaimedRun[]> {
    const rows = await tx.query<ClaimRow>({
      name: 'run_claim',
      text: `UPDATE runs r
                SET status = 'running', queued_since = NULL, fencing_number = r.fencing_number + 1,
                    attempt = r.attempt + CASE WHEN free.was_lost OR r.started_at IS NULL THEN 1 ELSE 0 END,
                    started_at = coalesce(r.started_at, $5),
                    -- A child begins with its parent's, and has a time limit of its own from the moment that it starts.
                    deadline_at = CASE WHEN r.started_at IS NULL OR r.deadline_at IS NULL
                      THEN least(r.deadline_at, $5::timestamptz
                        + least((r.input #>> '{limits,timeoutSeconds}')::integer, $4::integer) * interval '1 s')
                      ELSE r.deadline_at END,
                    lease_expires_at = now() + $3 * interval '1 ms'
               FROM (SELECT w.id, w.lease_expires_at IS NOT NULL AS was_lost, w.started_at IS NULL AS is_start FROM runs w
                      WHERE w.tenant_id = $1 AND w.id = ANY($2) AND w.queued_since IS NOT NULL
                        AND (w.lease_expires_at IS NULL OR w.lease_expires_at < now())
                      ORDER BY w.id FOR UPDATE SKIP LOCKED) AS free
              WHERE r.tenant_id = $1 AND r.id = free.id
          RETURNING r.tenant_id AS "tenantId", r.id AS "runId", r.fencing_number AS "fencingNumber",
                    r.project_id AS "projectId", r.agent, r.agent_version AS "agentVersion", r.task, r.context, r.model,
                    r.input, r.cache, r.user_id AS "userId", r.api_key_id AS "apiKeyId", r.parent_run_id AS "parentRunId", r.schedule_id AS "scheduleId",
                    r.root_run_id AS "rootRunId", r.depth, r.attempt, r.started_at AS "startedAt",
                    r.deadline_at AS "deadlineAt", r.last_event AS "lastEvent", r.steps,
                    r.input_tokens AS "inputTokens", r.cached_input_tokens AS "cachedInputTokens",
                    r.output_tokens AS "outputTokens", r.reasoning_tokens AS "reasoningTokens", r.cost_usd AS "costUsd",
                    r.cancel_requested_at IS NOT NULL AS "isCancelled", free.was_lost AS "wasLost",
                    free.is_start AS "isStart"`,
      values: [claim.tenantId, claim.runIds, claim.leaseMs, claim.timeoutSeconds, claim.now],
    })
    return rows.map(toClaimedRun)
  }

  /**
   * Renews the leases of one tenant's runs. Rows that somebody has locked are left out, and not waited for: one of them would cost
   * the others their leases.
   * @returns those that are still ours, renewed or not, and whether somebody wants them to stop
   */
  async extendLeases(claims: readonly Claim[], leaseMs: number, tx: Tx): Promise<Map<string, RenewedLease>> {
    const rows = await tx.query<RenewedLease & { id: string }>({
      name: 'run_extend_leases',
      text: `WITH ours AS (
               SELECT h.id, h.cancel_requested_at IS NOT NULL AS is_cancelled
                 FROM unnest($2::uuid[], $3::bigint[]) AS held (id, fencing_number)
                 JOIN runs h ON h.tenant_id = $4 AND h.id = held.id AND h.fencing_number = held.fencing_number
                WHERE h.status = 'running' AND h.lease_expires_at IS NOT NULL
             ), free AS (
               SELECT h.id FROM unnest($2::uuid[], $3::bigint[]) AS held (id, fencing_number)
                 JOIN runs h ON h.tenant_id = $4 AND h.id = held.id AND h.fencing_number = held.fencing_number
                WHERE h.status = 'running' AND h.lease_expires_at IS NOT NULL
                ORDER BY h.id FOR NO KEY UPDATE OF h SKIP LOCKED
             ), renewed AS (
               UPDATE runs r SET lease_expires_at = now() + $1 * interval '1 ms', queued_since = NULL
                 FROM free WHERE r.tenant_id = $4 AND r.id = free.id
            RETURNING r.id
             )
             SELECT o.id, o.is_cancelled AS "isCancelled", n.id IS NOT NULL AS "isRenewed"
               FROM ours o LEFT JOIN renewed n ON n.id = o.id`,
      values: [
        leaseMs,
        claims.map(({ runId }) => runId),
        claims.map(({ fencingNumber }) => fencingNumber),
        claims[0]?.tenantId,
      ],
    })
    return new Map(rows.map(({ id, ...lease }) => [id, lease]))
  }

  /** Hands a run back for any replica to take; it costs no attempt. */
  async release({ tenantId, runId, fencingNumber }: Claim, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_release',
      text: `UPDATE runs r SET lease_expires_at = NULL, queued_since = ${ROOT_PLACE}
              WHERE r.tenant_id = $1 AND r.id = $2 AND r.fencing_number = $3 AND r.status = 'running'`,
      values: [tenantId, runId, fencingNumber],
    })
  }
}

function toClaimedRun(row: ClaimRow): ClaimedRun {
  const { lastEvent, steps, inputTokens, cachedInputTokens, outputTokens, reasoningTokens, costUsd, ...run } = row
  return {
    ...run,
    lastEvent: Number(lastEvent),
    totals: {
      steps,
      inputTokens: Number(inputTokens),
      cachedInputTokens: Number(cachedInputTokens),
      outputTokens: Number(outputTokens),
      reasoningTokens: Number(reasoningTokens),
      costUsd,
    },
  }
}
