import { Injectable } from '@nestjs/common'
import { DatabaseError } from 'pg'
import { AppError } from '#kernel/app-error.js'
import { Database } from '#platform/database/database.js'
import type { Statement } from '#platform/database/statement.js'
import type { Tx } from '#platform/database/tx.js'
import type { RunOutput } from '../runs.schemas.js'
import { toStorableJson } from '#kernel/storable.js'
import type { RunEventType } from '../streaming/run-event.js'
import type { Claim, RunTotals } from './claimed-run.js'
import type { Step, StepEnd, Usage } from './journal.js'
import { ROOT_PLACE } from './root-place.js'

/** A row of the event log: one event, or the pieces of text that came within a moment. */
export interface EventRow {
  /** Of the last piece. */
  readonly sequence: number
  readonly type: RunEventType
  readonly data: Readonly<Record<string, unknown>>
  readonly createdAt: Date
}

/** What a worker's write changes in the run's own row. */
export interface RunChange {
  /** The latest stored event before this write, and after it: a write that has happened already matches nothing. */
  readonly lastEvent: { readonly from: number; readonly to: number }
  readonly usage: Usage
  readonly steps: number
  readonly cache: 'hit' | 'miss' | 'off'
  readonly leaseMs: number
}

/** How a run ended. Its texts are such as the database can hold. */
export interface RunEnd {
  readonly status: 'completed' | 'failed' | 'cancelled'
  readonly output: RunOutput | null
  readonly error: { readonly code: string; readonly detail: string } | null
  readonly finishedAt: Date
}

interface StepRow {
  kind: Step['kind']
  position: number
  status: Step['status']
  name: string
  request: never
  result: never
  childRunId: string | null
  approvalId: string | null
  attempt: number
  startedAt: Date
}

interface TotalsRow {
  steps: number
  inputTokens: string
  cachedInputTokens: string
  outputTokens: string
  reasoningTokens: string
  costUsd: string | null
}

/** What has been decided, and what has ended, of that which a run waits for. */
export interface AwaitedFacts {
  readonly approvals: readonly {
    id: string
    status: 'approved' | 'rejected' | 'expired'
    comment: string | null
    defaultDecision: 'approve' | 'reject'
    argumentsHash: string
  }[]
  readonly children: readonly {
    id: string
    status: 'completed' | 'failed' | 'cancelled'
    output: RunOutput | null
    errorCode: string | null
    errorDetail: string | null
  }[]
}

const TOTALS = `steps, input_tokens AS "inputTokens", cached_input_tokens AS "cachedInputTokens", output_tokens AS "outputTokens",
  reasoning_tokens AS "reasoningTokens", cost_usd AS "costUsd"`
/** What was changed; when that is nothing, an error that undoes the transaction. */
const IF_CHANGED = `SELECT changed.*, require_claim(changed.steps IS NOT NULL) FROM (SELECT) AS once LEFT JOIN changed ON true`
const CLAIM_LOST_SQLSTATE = 'TN001'

/**
 * The journal of runs: what only the holder of a run's latest claim may write. The statement on the run's own row goes first in
 * each transaction: it locks the row, and raises an error once the claim is an old one, which undoes the rest.
 */
@Injectable()
export class JournalRepository {
  constructor(private readonly database: Database) {}

  async listSteps(tenantId: string, runIds: readonly string[], tx: Tx): Promise<Map<string, Step[]>> {
    const rows = await tx.query<StepRow & { runId: string }>({
      name: 'run_steps_of',
      text: `SELECT run_id AS "runId", position, kind, status, name, request, result, child_run_id AS "childRunId",
                    approval_id AS "approvalId", attempt, started_at AS "startedAt"
               FROM run_steps WHERE tenant_id = $1 AND run_id = ANY($2) ORDER BY run_id, position`,
      values: [tenantId, runIds],
    })
    const byRun = new Map<string, Step[]>()
    for (const { runId, ...step } of rows) {
      const steps = byRun.get(runId) ?? []
      byRun.set(runId, steps)
      steps.push(step as Step)
    }
    return byRun
  }

  /**
   * What has come of the approvals and children that `runId` waited for. An approval that was taken back is not decided, though
   * it is `expired`: what silence would have meant does not hold for it.
   */
  async listAwaited(tenantId: string, runId: string, tx: Tx): Promise<AwaitedFacts> {
    const [approvals, children] = await Promise.all([
      tx.query<AwaitedFacts['approvals'][number]>({
        name: 'run_decided_approvals',
        text: `SELECT a.id, a.status, a.comment, a.default_decision AS "defaultDecision",
                      encode(a.arguments_hash, 'hex') AS "argumentsHash"
                 FROM approvals a JOIN run_steps s ON s.tenant_id = a.tenant_id AND s.run_id = a.run_id AND s.approval_id = a.id
                WHERE a.tenant_id = $1 AND a.run_id = $2 AND a.decided_at IS NOT NULL AND s.status = 'running'`,
        values: [tenantId, runId],
      }),
      tx.query<AwaitedFacts['children'][number]>({
        name: 'run_finished_children',
        text: `SELECT c.id, c.status, c.output, c.error_code AS "errorCode", c.error_detail AS "errorDetail"
                 FROM run_steps s JOIN runs c ON c.tenant_id = s.tenant_id AND c.id = s.child_run_id
                WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.status = 'running'
                  AND c.status IN ('completed', 'failed', 'cancelled')`,
        values: [tenantId, runId],
      }),
    ])
    return { approvals, children }
  }

  /** Texts that were told since `since`, of an answer that was interrupted. */
  async listTexts(claim: Claim, since: Date, tx: Tx): Promise<string[]> {
    const rows = await tx.query<{ texts: string[] }>({
      name: 'run_texts_since',
      text: `SELECT data -> 'texts' AS texts FROM run_events
              WHERE tenant_id = $1 AND run_id = $2 AND type = 'output.delta' AND created_at >= $3 ORDER BY sequence`,
      values: [claim.tenantId, claim.runId, since],
    })
    return rows.flatMap(({ texts }) => texts)
  }

  /** Locks the run's ancestors, the root first: whoever locks several rows of a tree does so in this order. */
  async lockAncestors(run: Pick<Claim, 'tenantId' | 'runId'>, tx: Tx): Promise<void> {
    await tx.query({
      name: 'run_lock_ancestors',
      text: `WITH RECURSIVE ancestors AS (
               SELECT parent_run_id AS id FROM runs WHERE tenant_id = $1 AND id = $2
               UNION ALL
               SELECT r.parent_run_id FROM runs r JOIN ancestors a ON r.id = a.id WHERE r.tenant_id = $1
             )
             SELECT r.id FROM runs r JOIN ancestors a ON a.id = r.id WHERE r.tenant_id = $1 ORDER BY r.id FOR NO KEY UPDATE OF r`,
      values: [run.tenantId, run.runId],
    })
  }

  /** Adds what a run used to its ancestors, whose rows must be locked. A price that nobody knows makes the sum unknown. */
  async addToAncestors(claim: Claim, usage: Usage, steps: number, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'run_add_to_ancestors',
      text: `WITH RECURSIVE ancestors AS (
               SELECT parent_run_id AS id FROM runs WHERE tenant_id = $1 AND id = $2
               UNION ALL
               SELECT r.parent_run_id FROM runs r JOIN ancestors a ON r.id = a.id WHERE r.tenant_id = $1
             )
             UPDATE runs SET input_tokens = input_tokens + $3, cached_input_tokens = cached_input_tokens + $4,
                    output_tokens = output_tokens + $5, reasoning_tokens = reasoning_tokens + $6,
                    cost_usd = cost_usd + $7::numeric, steps = steps + $8
               FROM ancestors a WHERE tenant_id = $1 AND runs.id = a.id`,
      values: [claim.tenantId, claim.runId, ...valuesOf(usage), steps],
    })
  }

  /** A write in the middle of a run. @throws {@link isClaimLost} */
  async advance(claim: Claim, change: RunChange, tx: Tx): Promise<RunTotals> {
    return this.change(tx, {
      name: 'run_advance',
      text: `WITH changed AS (
               UPDATE runs SET last_event = $5, input_tokens = input_tokens + $6, cached_input_tokens = cached_input_tokens + $7,
                      output_tokens = output_tokens + $8, reasoning_tokens = reasoning_tokens + $9,
                      cost_usd = cost_usd + $10::numeric, steps = steps + $11, cache = $12,
                      -- Out of the queue, if it was taken for lost.
                      lease_expires_at = now() + $13 * interval '1 ms', queued_since = NULL
                WHERE tenant_id = $1 AND id = $2 AND fencing_number = $3 AND last_event = $4 AND status = 'running'
            RETURNING ${TOTALS})
             ${IF_CHANGED}`,
      values: [...keyOf(claim, change), ...changeOf(change), change.leaseMs],
    })
  }

  /** The last write of a run. @throws {@link isClaimLost} */
  async finish(claim: Claim, change: RunChange, end: RunEnd, tx: Tx): Promise<RunTotals> {
    const { output, error } = end
    return this.change(tx, {
      name: 'run_finish',
      text: `WITH changed AS (
               UPDATE runs SET last_event = $5, input_tokens = input_tokens + $6, cached_input_tokens = cached_input_tokens + $7,
                      output_tokens = output_tokens + $8, reasoning_tokens = reasoning_tokens + $9,
                      cost_usd = cost_usd + $10::numeric, steps = steps + $11, cache = $12,
                      status = $13, output = $14, error_code = $15, error_detail = $16, finished_at = $17,
                      lease_expires_at = NULL, queued_since = NULL
                WHERE tenant_id = $1 AND id = $2 AND fencing_number = $3 AND last_event = $4 AND status = 'running'
            RETURNING ${TOTALS})
             ${IF_CHANGED}`,
      values: [
        ...keyOf(claim, change),
        ...changeOf(change),
        end.status,
        output && JSON.stringify(output),
        error?.code ?? null,
        error?.detail ?? null,
        end.finishedAt,
      ],
    })
  }

  /**
   * The run waits: for a person, or for its children. When what it waits for has come about meanwhile, or it is to stop, it is
   * queued again at once; whoever comes later finds it waiting and queues it. After `advance`, which has locked the row.
   * @returns whether it is queued
   */
  async park(claim: Claim, isForPerson: boolean, now: Date, tx: Tx): Promise<boolean> {
    const rows = await tx.query<{ isQueued: boolean }>({
      name: 'run_park',
      text: `UPDATE runs r SET lease_expires_at = NULL,
                    status = CASE WHEN $4 AND NOT ready.is THEN 'waiting_approval' ELSE 'running' END,
                    waiting_since = CASE WHEN $4 AND NOT ready.is THEN $5::timestamptz END,
                    queued_since = CASE WHEN ready.is THEN ${ROOT_PLACE} END
               FROM (SELECT EXISTS (SELECT 1 FROM run_steps s JOIN approvals a ON a.tenant_id = s.tenant_id AND a.id = s.approval_id
                                     WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.status = 'running' AND a.decided_at IS NOT NULL)
                         OR NOT $4 AND NOT EXISTS (SELECT 1 FROM runs c
                                     WHERE c.tenant_id = $1 AND c.parent_run_id = $2 AND c.finished_at IS NULL)
                         OR EXISTS (SELECT 1 FROM runs o WHERE o.tenant_id = $1 AND o.id = $2 AND o.cancel_requested_at IS NOT NULL)
                         AS is) AS ready
              WHERE r.tenant_id = $1 AND r.id = $2 AND r.fencing_number = $3
          RETURNING r.queued_since IS NOT NULL AS "isQueued"`,
      values: [claim.tenantId, claim.runId, claim.fencingNumber, isForPerson, now],
    })
    return rows[0]?.isQueued ?? false
  }

  private async change(tx: Tx, statement: Statement): Promise<RunTotals> {
    const [row] = await tx.query<TotalsRow>(statement)
    if (!row) throw new Error('a guarded write without a row')
    return toTotals(row)
  }

  async addSteps(claim: Claim, steps: readonly Step[], tx: Tx): Promise<void> {
    if (steps.length === 0) return
    const rows = steps.map((step) => ({
      position: step.position,
      kind: step.kind,
      status: step.status,
      name: step.name,
      request: step.request,
      result: step.result,
      child_run_id: step.kind === 'delegation' ? step.childRunId : null,
      approval_id: step.kind === 'approval' ? step.approvalId : null,
      attempt: step.attempt,
      started_at: step.startedAt,
      finished_at: step.status === 'running' ? null : step.startedAt,
    }))
    await tx.execute({
      name: 'run_steps_add',
      text: `INSERT INTO run_steps (tenant_id, run_id, position, kind, status, name, request, result, child_run_id, approval_id,
                    attempt, started_at, finished_at)
             SELECT $1, $2, s.position, s.kind, s.status, s.name, s.request, s.result, s.child_run_id, s.approval_id, s.attempt,
                    s.started_at, s.finished_at
               FROM jsonb_to_recordset($3::jsonb) AS s (position integer, kind text, status text, name text, request jsonb,
                    result jsonb, child_run_id uuid, approval_id uuid, attempt integer, started_at timestamptz,
                    finished_at timestamptz)
                 ON CONFLICT (tenant_id, run_id, position) DO UPDATE SET attempt = excluded.attempt, started_at = excluded.started_at`,
      values: [claim.tenantId, claim.runId, toStorableJson(rows)],
    })
  }

  async endSteps(claim: Claim, ends: readonly StepEnd[], finishedAt: Date, tx: Tx): Promise<void> {
    if (ends.length === 0) return
    const rows = ends.map(({ position, status, result, usage, model, cache }) => ({
      position,
      status,
      result,
      model,
      cache,
      input_tokens: usage.inputTokens,
      cached_input_tokens: usage.cachedInputTokens,
      output_tokens: usage.outputTokens,
      reasoning_tokens: usage.reasoningTokens,
      cost_usd: usage.costUsd,
    }))
    await tx.execute({
      name: 'run_steps_end',
      text: `UPDATE run_steps SET status = e.status, result = e.result, model = e.model, cache = e.cache,
                    input_tokens = run_steps.input_tokens + e.input_tokens,
                    cached_input_tokens = run_steps.cached_input_tokens + e.cached_input_tokens,
                    output_tokens = run_steps.output_tokens + e.output_tokens,
                    reasoning_tokens = run_steps.reasoning_tokens + e.reasoning_tokens,
                    -- Null before anything was used, and once something of it has no price.
                    cost_usd = CASE WHEN run_steps.input_tokens + run_steps.output_tokens > 0 THEN run_steps.cost_usd
                                    ELSE coalesce(run_steps.cost_usd, 0) END + e.cost_usd,
                    finished_at = CASE WHEN e.status <> 'running' THEN $4::timestamptz END
               FROM jsonb_to_recordset($3::jsonb) AS e (position integer, status text, result jsonb, model text, cache text,
                    input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
                    cost_usd numeric)
              WHERE tenant_id = $1 AND run_id = $2 AND run_steps.position = e.position`,
      values: [claim.tenantId, claim.runId, toStorableJson(rows), finishedAt],
    })
  }

  /** Numbers that are taken are another worker's: then the run's own row tells, and the transaction is undone. */
  async addEvents(claim: Claim, events: readonly EventRow[], tx: Tx): Promise<void> {
    if (events.length === 0) return
    const rows = events.map(({ sequence, type, data, createdAt }) => ({ sequence, type, data, created_at: createdAt }))
    await tx.execute({
      name: 'run_events_add',
      text: `INSERT INTO run_events (tenant_id, run_id, sequence, type, data, created_at)
             SELECT $1, $2, e.sequence, e.type, e.data, e.created_at
               FROM jsonb_to_recordset($3::jsonb) AS e (sequence bigint, type text, data jsonb, created_at timestamptz)
                 ON CONFLICT DO NOTHING`,
      values: [claim.tenantId, claim.runId, toStorableJson(rows)],
    })
  }

  /**
   * Stores texts of many runs of one tenant in one statement; runs that are not held by these claims any more get none.
   * @returns the runs whose texts are stored
   */
  async addTexts(
    tenantId: string,
    entries: readonly { claim: Claim; from: number; rows: readonly EventRow[] }[],
    tx: Tx,
  ): Promise<Set<string>> {
    const given = entries.map(({ claim, from, rows }) => ({
      run_id: claim.runId,
      fencing_number: claim.fencingNumber,
      previous: from,
      latest: rows.at(-1)?.sequence ?? from,
      rows: rows.map(({ sequence, data, createdAt }) => ({ sequence, data, created_at: createdAt })),
    }))
    const stored = await tx.query<{ id: string }>({
      name: 'run_texts_add',
      text: `WITH given AS (
               SELECT * FROM jsonb_to_recordset($2::jsonb) AS g (run_id uuid, fencing_number bigint, previous bigint,
                      latest bigint, rows jsonb)
             ), ours AS (
               SELECT r.id, g.latest FROM given g JOIN runs r ON r.tenant_id = $1 AND r.id = g.run_id
                WHERE r.fencing_number = g.fencing_number AND r.last_event = g.previous AND r.status = 'running'
                ORDER BY r.id FOR NO KEY UPDATE OF r
             ), held AS (
               UPDATE runs SET last_event = ours.latest FROM ours WHERE tenant_id = $1 AND runs.id = ours.id
            RETURNING runs.id
             ), added AS (
               INSERT INTO run_events (tenant_id, run_id, sequence, type, data, created_at)
               SELECT $1, h.id, e.sequence, 'output.delta', e.data, e.created_at
                 FROM given g JOIN held h ON h.id = g.run_id,
                      jsonb_to_recordset(g.rows) AS e (sequence bigint, data jsonb, created_at timestamptz)
             )
             SELECT id FROM held`,
      values: [tenantId, toStorableJson(given)],
    })
    return new Set(stored.map(({ id }) => id))
  }

  /**
   * The run's totals when a write that may or may not have come through has: the row then has its last event, under this claim.
   * Waits for the row, so that a write which is still committing is seen.
   */
  async findAdvanced(claim: Claim, to: number): Promise<RunTotals | null> {
    // By its key alone: a condition on what is being written would not find the row, nor wait for it.
    const [row] = await this.database.workers.transaction({ tenantId: claim.tenantId }, (tx) =>
      tx.query<TotalsRow & { fencingNumber: string; lastEvent: string }>({
        name: 'run_find_advanced',
        text: `SELECT fencing_number AS "fencingNumber", last_event AS "lastEvent", ${TOTALS}
                 FROM runs WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`,
        values: [claim.tenantId, claim.runId],
      }),
    )
    const hasAdvanced = row?.fencingNumber === claim.fencingNumber && Number(row.lastEvent) === to
    return row && hasAdvanced ? toTotals(row) : null
  }
}

/** Whether a write was undone because its claim is an old one, or because it had happened already. */
export function isClaimLost(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === CLAIM_LOST_SQLSTATE
}

function keyOf(claim: Claim, { lastEvent }: RunChange): unknown[] {
  if (lastEvent.to < lastEvent.from) throw new AppError('journal_backwards', 'internal')
  return [claim.tenantId, claim.runId, claim.fencingNumber, lastEvent.from, lastEvent.to]
}

function changeOf({ usage, steps, cache }: RunChange): unknown[] {
  return [...valuesOf(usage), steps, cache]
}

function valuesOf(usage: Usage): unknown[] {
  return [usage.inputTokens, usage.cachedInputTokens, usage.outputTokens, usage.reasoningTokens, usage.costUsd]
}

function toTotals(row: TotalsRow): RunTotals {
  return {
    steps: row.steps,
    inputTokens: Number(row.inputTokens),
    cachedInputTokens: Number(row.cachedInputTokens),
    outputTokens: Number(row.outputTokens),
    reasoningTokens: Number(row.reasoningTokens),
    costUsd: row.costUsd,
  }
}
