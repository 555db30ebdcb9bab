import type { ScheduleRow } from './schedule-columns.js'
import type { Schedule, ScheduleSummary } from './schedules.schemas.js'

/** A schedule as it is read to be shown: with its project's slug. */
export interface ShownScheduleRow extends ScheduleRow {
  readonly project: string | null
}

export type ScheduleSummaryRow = Omit<ShownScheduleRow, 'input'>

export function toSchedule(row: ShownScheduleRow): Schedule {
  return { ...toSummary(row), input: row.input }
}

export function toSummary(row: ScheduleSummaryRow): ScheduleSummary {
  const { project, executions, userId, apiKeyId } = row
  const { id, name, agent, task, cron, everySeconds, timezone, overlap, catchUpSeconds, jitterSeconds } = row
  const { maxExecutions, pauseAfterFailures, isActive, pausedReason, endedReason, consecutiveFailures } = row
  return {
    id,
    name,
    agent,
    task,
    project,
    cron,
    everySeconds,
    runAt: textOf(row.runAt),
    timezone,
    overlap,
    catchUpSeconds,
    jitterSeconds,
    endsAt: textOf(row.endsAt),
    maxExecutions,
    pauseAfterFailures,
    active: isActive,
    pausedReason,
    endedReason,
    nextRunAt: textOf(row.nextRunAt),
    lastFiredAt: textOf(row.lastFiredAt),
    executions: Number(executions),
    consecutiveFailures,
    runsAs: { userId, apiKeyId },
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

function textOf(time: Date | null): string | null {
  return time?.toISOString() ?? null
}
