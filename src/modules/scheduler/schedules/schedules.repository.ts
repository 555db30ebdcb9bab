import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { toStorableJson } from '#kernel/storable.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import { TZ_DATABASE_VERSION } from '../timing/tz-database.js'
import type { ScheduleKey, ScheduleRecord } from './schedule.js'
import { SCHEDULE_COLUMNS, SCHEDULE_SUMMARY_COLUMNS, type ScheduleRow, toRecord } from './schedule-columns.js'
import type { ScheduleSummaryRow, ShownScheduleRow } from './schedule-view.js'

const SHOWN = `FROM scheduled_tasks s LEFT JOIN projects p ON p.tenant_id = s.tenant_id AND p.id = s.project_id
  WHERE s.tenant_id = $1 AND s.deleted_at IS NULL`
const READ_ONE = `SELECT ${SCHEDULE_COLUMNS}, p.slug AS project ${SHOWN} AND s.id = $2`

/** Which of a tenant's schedules are listed. */
export interface ScheduleFilter {
  readonly project?: string | undefined
  readonly agent?: string | undefined
  readonly isActive?: boolean | undefined
}

/** Schedules as their owners see and change them. One that is deleted is not found by anything here. */
@Injectable()
export class SchedulesRepository {
  constructor(private readonly database: Database) {}

  /** The database's clock at this moment: due times are by it, whatever a host's clock says. */
  async readClock(tx: Tx): Promise<Date> {
    const rows = await tx.query<{ now: Date }>({ name: 'schedule_clock', text: 'SELECT clock_timestamp() AS now' })
    return rows[0]?.now as Date
  }

  /** Counts a tenant's schedules; until `tx` ends nobody else counts or adds. */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    const rows = await tx.query<{ count: string }>({
      text: 'SELECT count(*) AS count FROM scheduled_tasks WHERE tenant_id = $1 AND deleted_at IS NULL',
      values: [tenantId],
    })
    return Number(rows[0]?.count)
  }

  async add(schedule: ScheduleRecord, tx: Tx): Promise<void> {
    await tx.execute({
      text: `INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, project_id, input, cron, every_seconds, run_at, timezone,
               anchor_at, overlap, catch_up_seconds, jitter_seconds, ends_at, max_executions, pause_after_failures, is_active,
               paused_reason, ended_reason, cursor_at, next_nominal_at, next_run_at, consecutive_failures, user_id, api_key_id,
               revision, updated_at, created_at, tz_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
               $25, $26, $27, $28, $29, $30, $31)`,
      values: [...changeableValuesOf(schedule), schedule.createdAt, TZ_DATABASE_VERSION],
    })
  }

  /** Until `tx` ends nobody else changes it. Executions are added meanwhile: their foreign keys lock it in another way. */
  async findForChange({ tenantId, id }: ScheduleKey, tx: Tx): Promise<ScheduleRecord | null> {
    const rows = await tx.query<ScheduleRow>({
      text: `SELECT ${SCHEDULE_COLUMNS} FROM scheduled_tasks s
              WHERE s.tenant_id = $1 AND s.id = $2 AND s.deleted_at IS NULL FOR NO KEY UPDATE`,
      values: [tenantId, id],
    })
    return rows[0] ? toRecord(rows[0]) : null
  }

  /** @param isPlacedAnew its next time was reckoned now, by this server's time zone database */
  async update(schedule: ScheduleRecord, { isPlacedAnew }: { isPlacedAnew: boolean }, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE scheduled_tasks
                SET name = $3, agent = $4, task = $5, project_id = $6, input = $7, cron = $8, every_seconds = $9, run_at = $10,
                    timezone = $11, anchor_at = $12, overlap = $13, catch_up_seconds = $14, jitter_seconds = $15, ends_at = $16,
                    max_executions = $17, pause_after_failures = $18, is_active = $19, paused_reason = $20, ended_reason = $21,
                    cursor_at = $22, next_nominal_at = $23, next_run_at = $24, consecutive_failures = $25, user_id = $26,
                    api_key_id = $27, revision = $28, updated_at = $29, tz_version = coalesce($30, tz_version),
                    -- What waits may start now.
                    is_woken = $19
              WHERE tenant_id = $1 AND id = $2`,
      values: [...changeableValuesOf(schedule), isPlacedAnew ? TZ_DATABASE_VERSION : null],
    })
  }

  /** Nothing waits any more; what runs goes on. The row stays as long as executions tell of it, without what it was to do. */
  async delete({ tenantId, id }: ScheduleKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE task_executions
                SET status = 'skipped', reason = $3, queued_since = NULL, fired_at = coalesce(fired_at, clock_timestamp()),
                    finished_at = clock_timestamp()
              WHERE tenant_id = $1 AND schedule_id = $2 AND status = 'running' AND queued_since IS NOT NULL`,
      values: [tenantId, id, EXECUTION_REASONS.deleted],
    })
    await tx.execute({
      text: 'UPDATE task_executions SET is_uncounted = false WHERE tenant_id = $1 AND schedule_id = $2 AND is_uncounted',
      values: [tenantId, id],
    })
    await tx.execute({
      text: `UPDATE scheduled_tasks
                SET is_active = false, is_woken = false, next_nominal_at = NULL, next_run_at = NULL, task = '', input = '{}', revision = revision + 1,
                    updated_at = clock_timestamp(), deleted_at = clock_timestamp()
              WHERE tenant_id = $1 AND id = $2`,
      values: [tenantId, id],
    })
    await tx.execute({
      text: `DELETE FROM scheduled_tasks s
              WHERE s.tenant_id = $1 AND s.id = $2
                AND NOT EXISTS (SELECT FROM task_executions e WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id)`,
      values: [tenantId, id],
    })
  }

  /** One that is there. */
  async getRow({ tenantId, id }: ScheduleKey, tx: Tx): Promise<ShownScheduleRow> {
    const rows = await tx.query<ShownScheduleRow>({ text: READ_ONE, values: [tenantId, id] })
    return rows[0] as ShownScheduleRow
  }

  /** Outside of a transaction, in one flight; null when there is none. */
  async readRow({ tenantId, id }: ScheduleKey): Promise<ShownScheduleRow | null> {
    if (!isUuid(id)) return null
    const statement = { name: 'schedule_read', text: READ_ONE, values: [tenantId, id] }
    const rows = await this.database.read<ShownScheduleRow>({ tenantId }, statement)
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the schedule `after`. */
  list(
    tenantId: string,
    { project, agent, isActive }: ScheduleFilter,
    { after, limit }: { after: string | undefined; limit: number },
  ): Promise<ScheduleSummaryRow[]> {
    return this.database.read<ScheduleSummaryRow>(
      { tenantId },
      {
        name: 'schedule_list',
        text: `SELECT ${SCHEDULE_SUMMARY_COLUMNS}, p.slug AS project ${SHOWN}
                 AND ($2::uuid IS NULL OR s.id < $2) AND ($3::text IS NULL OR p.slug = $3 AND p.deleted_at IS NULL)
                 AND ($4::text IS NULL OR s.agent = $4)
                 AND ($5::boolean IS NULL OR s.is_active = $5)
               ORDER BY s.id DESC LIMIT $6`,
        values: [tenantId, after ?? null, project ?? null, agent ?? null, isActive ?? null, limit],
      },
    )
  }
}

/** $1 to $29 of an insertion and of an update. */
function changeableValuesOf(schedule: ScheduleRecord): unknown[] {
  return [
    schedule.tenantId,
    schedule.id,
    schedule.name,
    schedule.agent,
    schedule.task,
    schedule.projectId,
    toStorableJson(schedule.input),
    schedule.cron,
    schedule.everySeconds,
    schedule.runAt,
    schedule.timezone,
    schedule.anchorAt,
    schedule.overlap,
    schedule.catchUpSeconds,
    schedule.jitterSeconds,
    schedule.endsAt,
    schedule.maxExecutions,
    schedule.pauseAfterFailures,
    schedule.isActive,
    schedule.pausedReason,
    schedule.endedReason,
    schedule.cursorAt,
    schedule.nextNominalAt,
    schedule.nextRunAt,
    schedule.consecutiveFailures,
    schedule.userId,
    schedule.apiKeyId,
    schedule.revision,
    schedule.updatedAt,
  ]
}
