export const EXECUTION_STATUSES = ['running', 'completed', 'failed', 'skipped', 'missed'] as const
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number]

export const EXECUTION_TRIGGERS = ['schedule', 'manual', 'backfill'] as const
/** What has brought an execution about. */
export type ExecutionTrigger = (typeof EXECUTION_TRIGGERS)[number]

/**
 * Why an execution stands as it does, where its status alone does not tell. Beside these: the code of its run's error, or of the
 * error that refused the run.
 */
export const EXECUTION_REASONS = {
  /** Its run is made as soon as those before it have ended. */
  queued: 'queued',
  /** An execution before it still ran (`overlap: skip`). */
  overlap: 'overlap',
  /** As many wait as may (`overlap: queue`). */
  queueFull: 'queue_full',
  /** As many run as may (`overlap: allow`). */
  tooManyRunning: 'too_many_running',
  /** The next one has taken its place (`overlap: cancel`). */
  replaced: 'replaced',
  /** Somebody has cancelled its run. */
  cancelled: 'cancelled',
  /** It was too late for it when somebody looked. */
  outage: 'outage',
  /** In whose name it runs may not start runs any more. */
  notPermitted: 'not_permitted',
  /** Its agent is gone. */
  noSuchAgent: 'agent_not_found',
  /** The schedule was deleted while it waited. */
  deleted: 'schedule_deleted',
} as const
