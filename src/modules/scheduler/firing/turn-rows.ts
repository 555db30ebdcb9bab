import type { ScheduleRow } from '../schedules/schedule-columns.js'

/** In whose name a run is to be. */
export interface Requester {
  readonly userId: string
  readonly apiKeyId: string | null
}

/** A schedule as its turn is prepared, before it is locked. */
export interface UpcomingRow extends ScheduleRow {
  /** A due time of its own is at hand. */
  readonly isDue: boolean
  readonly isDeleted: boolean
  readonly now: Date
  /** For whom the first of those that wait are; null ids: for the schedule's own. */
  readonly waitingFor: readonly { readonly userId: string | null; readonly apiKeyId: string | null }[]
}

/** What of a locked schedule may have changed since. */
export type LockedRow = Pick<
  ScheduleRow,
  | 'id'
  | 'revision'
  | 'isActive'
  | 'pausedReason'
  | 'endedReason'
  | 'cursorAt'
  | 'nextNominalAt'
  | 'nextRunAt'
  | 'executions'
  | 'consecutiveFailures'
> & {
  readonly now: Date
  /** Its next time was reckoned by older rules of its time zone. */
  readonly isStale: boolean
  readonly running: readonly RunningExecutionRow[]
  readonly waiting: readonly WaitingExecutionRow[]
  /** All that wait; and without those of backfills. */
  readonly waitingCount: string
  readonly queued: string
  readonly ends: readonly EndedExecutionRow[]
}

/** An execution that has a run. */
export interface RunningExecutionRow {
  readonly id: string
  /** Null: the run is gone. */
  readonly runId: string | null
  /** Not null: it has ended without a word. */
  readonly end: 'completed' | 'failed' | 'cancelled' | null
  readonly errorCode: string | null
}

export interface WaitingExecutionRow {
  readonly id: string
  readonly userId: string | null
  readonly apiKeyId: string | null
}

/** How an execution that waited ends without a run. */
export interface RefusedExecution {
  readonly id: string
  readonly status: 'failed' | 'skipped'
  readonly reason: string
}

export interface EndedExecutionRow {
  readonly id: string
  readonly status: 'completed' | 'failed'
  readonly reason: string | null
}
