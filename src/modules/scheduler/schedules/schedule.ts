import type { StartRunCommand } from '#modules/runs'

export const OVERLAPS = ['skip', 'queue', 'allow', 'cancel'] as const
/** What becomes of a due time while an execution before it still runs. */
export type Overlap = (typeof OVERLAPS)[number]

export const PAUSED_REASONS = ['failures', 'not_permitted'] as const
/** Why a schedule was paused, where that was not a person. */
export type PausedReason = (typeof PAUSED_REASONS)[number]

export const ENDED_REASONS = ['no_more_times', 'ends_at', 'max_executions'] as const
/** Why no due time is to come. */
export type EndedReason = (typeof ENDED_REASONS)[number]

export interface ScheduleKey {
  readonly tenantId: string
  readonly id: string
}

/** The other fields of a run. */
export type RunFields = Omit<StartRunCommand, 'task' | 'project'>

/** When it is due: exactly one of the three is not null. */
export interface ScheduleTimes {
  readonly cron: string | null
  readonly everySeconds: number | null
  readonly runAt: Date | null
  /** IANA name. */
  readonly timezone: string
}

/** What its owner says of a schedule. */
export interface ScheduleSettings extends ScheduleTimes {
  readonly name: string
  readonly agent: string
  readonly task: string
  readonly projectId: string | null
  readonly input: RunFields
  readonly overlap: Overlap
  readonly catchUpSeconds: number
  readonly jitterSeconds: number
  /** No due time after this one. */
  readonly endsAt: Date | null
  readonly maxExecutions: number | null
  readonly pauseAfterFailures: number | null
}

/** How far it has come. */
export interface SchedulePlace {
  /** What intervals count from. */
  readonly anchorAt: Date
  /** Nominal times up to here are dealt with. */
  readonly cursorAt: Date
  /** The next nominal time; null while there is none to wait for. */
  readonly nextNominalAt: Date | null
  /** The same with the schedule's jitter. */
  readonly nextRunAt: Date | null
  /** Due times that have come to an execution. */
  readonly executions: number
  readonly endedReason: EndedReason | null
}

/** A task that an agent is given again and again, or once later. */
export interface ScheduleRecord extends ScheduleKey, ScheduleSettings, SchedulePlace {
  readonly isActive: boolean
  readonly pausedReason: PausedReason | null
  readonly consecutiveFailures: number
  readonly lastFiredAt: Date | null
  /** In whose name it runs: who made or last changed it. */
  readonly userId: string
  readonly apiKeyId: string | null
  /** Grows with each change of what it does. */
  readonly revision: number
  readonly createdAt: Date
  readonly updatedAt: Date
}
