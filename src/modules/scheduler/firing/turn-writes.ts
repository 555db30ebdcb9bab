import type { ExecutionStatus, ExecutionTrigger } from '../executions/execution.js'
import type { SchedulePlace } from '../schedules/schedule.js'

export interface ExecutionToAdd {
  readonly id: string
  readonly scheduleId: string
  readonly trigger: ExecutionTrigger
  readonly nominalAt: Date
  readonly dueAt: Date
  readonly status: ExecutionStatus
  readonly reason: string | null
  readonly runId: string | null
  readonly isQueued: boolean
  /** In whose name; null: the schedule's. */
  readonly userId: string | null
  readonly apiKeyId: string | null
}

export interface StartedExecution {
  readonly id: string
  readonly runId: string
}

export interface ClosedExecution {
  readonly id: string
  readonly status: 'completed' | 'failed'
  readonly reason: string | null
}

/** How a schedule stands after its turn. */
export interface ScheduleStanding extends Omit<SchedulePlace, 'anchorAt'> {
  readonly id: string
  readonly isActive: boolean
  readonly isWoken: boolean
  readonly pausedReason: string | null
  readonly consecutiveFailures: number
  readonly hasFired: boolean
  /** Of the turn: it may be to come. */
  readonly now: Date
}
