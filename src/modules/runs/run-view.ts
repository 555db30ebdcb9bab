import { Usd } from '#kernel/usd.js'
import type { RunEnding } from './engine/run-ending.js'
import type { RunEntity } from './run.entity.js'
import type { RunStatus } from './run-status.js'
import type { Run, RunOutput, RunSummary } from './runs.schemas.js'

/** A run as the database gives it to be shown. `bigint` and `numeric` come as text. */
export interface RunSummaryRow {
  readonly id: string
  readonly agent: string
  readonly agent_version: number
  readonly project: string | null
  readonly status: RunStatus
  readonly task: string
  readonly model: string
  readonly error_code: string | null
  readonly error_detail: string | null
  readonly input_tokens: string
  readonly cached_input_tokens: string
  readonly output_tokens: string
  readonly reasoning_tokens: string
  readonly cost_usd: string | null
  readonly cache: 'hit' | 'miss' | 'off'
  readonly attempt: number
  readonly parent_run_id: string | null
  readonly schedule_id: string | null
  readonly metadata: Record<string, string>
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
}

export interface RunRow extends RunSummaryRow {
  readonly output: RunOutput | null
}

/** A run's row as it was created. */
export function toCreatedRow(created: Omit<RunEntity, 'projectId'>, project: string | null): RunRow {
  return {
    id: created.id,
    agent: created.agent,
    agent_version: created.agentVersion,
    project,
    status: created.status,
    task: created.task,
    model: created.model,
    output: created.output,
    error_code: created.errorCode,
    error_detail: created.errorDetail,
    input_tokens: String(created.inputTokens),
    cached_input_tokens: String(created.cachedInputTokens),
    output_tokens: String(created.outputTokens),
    reasoning_tokens: String(created.reasoningTokens),
    cost_usd: created.costUsd,
    cache: created.cache,
    attempt: created.attempt,
    parent_run_id: created.parentRunId,
    schedule_id: created.scheduleId,
    metadata: created.metadata,
    created_at: created.createdAt,
    started_at: created.startedAt,
    finished_at: created.finishedAt,
  }
}

/** The same as it is after its end: the columns that change are the ending's. */
export function toEndedRow(created: Omit<RunEntity, 'projectId'>, project: string | null, ending: RunEnding): RunRow {
  const { totals, error } = ending
  return {
    ...toCreatedRow(created, project),
    status: ending.status,
    output: ending.output,
    error_code: error?.code ?? null,
    error_detail: error?.detail ?? null,
    input_tokens: String(totals.inputTokens),
    cached_input_tokens: String(totals.cachedInputTokens),
    output_tokens: String(totals.outputTokens),
    reasoning_tokens: String(totals.reasoningTokens),
    cost_usd: totals.costUsd,
    cache: ending.cache,
    attempt: ending.attempt,
    started_at: ending.startedAt,
    finished_at: ending.finishedAt,
  }
}

export function toRunSummary(row: RunSummaryRow): RunSummary {
  const inputTokens = Number(row.input_tokens)
  const outputTokens = Number(row.output_tokens)
  return {
    id: row.id,
    agent: row.agent,
    agentVersion: row.agent_version,
    project: row.project,
    status: row.status,
    task: row.task,
    error: row.error_code === null ? null : { code: row.error_code, detail: row.error_detail ?? '' },
    model: row.model,
    usage: {
      inputTokens,
      cachedInputTokens: Number(row.cached_input_tokens),
      outputTokens,
      reasoningTokens: Number(row.reasoning_tokens),
      totalTokens: inputTokens + outputTokens,
    },
    costUsd: row.cost_usd === null ? null : Usd.parse(row.cost_usd).toString(),
    cache: row.cache,
    attempt: row.attempt,
    parentRunId: row.parent_run_id,
    scheduleId: row.schedule_id,
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    durationMs: row.started_at && row.finished_at ? row.finished_at.getTime() - row.started_at.getTime() : null,
  }
}

export function toRun(row: RunRow): Run {
  const { output } = row
  // jsonb does not keep the order of keys.
  return {
    ...toRunSummary(row),
    output: output && { text: output.text, data: output.data, citations: output.citations },
  }
}
