import { EXECUTION_REASONS, type ExecutionStatus, type ExecutionTrigger } from './execution.js'
import type { Execution } from './executions.schemas.js'

/** An execution as it is read. */
export interface ExecutionRow {
  readonly id: string
  readonly scheduleId: string
  readonly trigger: ExecutionTrigger
  readonly nominalAt: Date
  readonly dueAt: Date
  readonly firedAt: Date | null
  readonly status: ExecutionStatus
  readonly reason: string | null
  readonly runId: string | null
  readonly queuedSince: Date | null
  readonly finishedAt: Date | null
}

export function toExecution(row: ExecutionRow): Execution {
  const { id, scheduleId, trigger, nominalAt, dueAt, firedAt, status, reason, runId, queuedSince, finishedAt } = row
  return {
    id,
    scheduleId,
    trigger,
    nominalAt: nominalAt.toISOString(),
    dueAt: dueAt.toISOString(),
    firedAt: firedAt && firedAt.toISOString(),
    latenessMs: firedAt && firedAt.getTime() - dueAt.getTime(),
    status,
    reason: queuedSince ? EXECUTION_REASONS.queued : reason,
    runId,
    finishedAt: finishedAt && finishedAt.toISOString(),
  }
}
