import type { ScheduleRecord } from './schedule.js'

/** A schedule as it is read: PostgreSQL's bigints come as text. */
export interface ScheduleRow extends Omit<ScheduleRecord, 'executions' | 'revision'> {
  readonly executions: string
  readonly revision: string
}

/** Columns of `scheduled_tasks s`, by the names of {@link ScheduleRow}: all but the input, which can be large. */
export const SCHEDULE_SUMMARY_COLUMNS = `s.tenant_id AS "tenantId", s.id, s.name, s.agent, s.task, s.project_id AS "projectId",
  s.cron, s.every_seconds AS "everySeconds", s.run_at AS "runAt", s.timezone, s.anchor_at AS "anchorAt", s.overlap,
  s.catch_up_seconds AS "catchUpSeconds", s.jitter_seconds AS "jitterSeconds", s.ends_at AS "endsAt",
  s.max_executions AS "maxExecutions", s.pause_after_failures AS "pauseAfterFailures", s.is_active AS "isActive",
  s.paused_reason AS "pausedReason", s.ended_reason AS "endedReason", s.cursor_at AS "cursorAt",
  s.next_nominal_at AS "nextNominalAt", s.next_run_at AS "nextRunAt", s.executions,
  s.consecutive_failures AS "consecutiveFailures", s.last_fired_at AS "lastFiredAt", s.user_id AS "userId",
  s.api_key_id AS "apiKeyId", s.revision, s.created_at AS "createdAt", s.updated_at AS "updatedAt"`

export const SCHEDULE_COLUMNS = `${SCHEDULE_SUMMARY_COLUMNS}, s.input`

export function toRecord<Row extends ScheduleRow>(row: Row): Omit<Row, 'executions' | 'revision'> & ScheduleRecord {
  return { ...row, executions: Number(row.executions), revision: Number(row.revision) }
}
