import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import type { TimePlace } from '#kernel/time-place.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import type { ExecutionRow } from './execution-view.js'
import type { ExecutionFilter } from './executions.schemas.js'

const COLUMNS = `e.id, e.schedule_id AS "scheduleId", e.trigger, e.nominal_at AS "nominalAt", e.due_at AS "dueAt",
  e.fired_at AS "firedAt", e.status, e.reason, e.run_id AS "runId", e.queued_since AS "queuedSince",
  e.finished_at AS "finishedAt", to_char(e.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "dueAtExact"`

/** An execution with its place in a list. */
export interface ListedExecutionRow extends ExecutionRow {
  readonly dueAtExact: string
}

interface ExecutionPageQuery {
  readonly filter: ExecutionFilter
  readonly after: TimePlace | undefined
  readonly limit: number
}

/** Executions as they are looked at. */
@Injectable()
export class ExecutionsRepository {
  constructor(private readonly database: Database) {}

  /** Null when there is no such schedule. */
  async findSchedule({ tenantId, id }: ScheduleKey, tx: Tx): Promise<ScheduleKey | null> {
    const rows = await tx.query<ScheduleKey>({
      name: 'execution_schedule',
      text: `SELECT tenant_id AS "tenantId", id FROM scheduled_tasks
              WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /** Null also for one of a schedule that is deleted. */
  async read({ tenantId, id: scheduleId }: ScheduleKey, id: string): Promise<ExecutionRow | null> {
    if (!isUuid(scheduleId) || !isUuid(id)) return null
    const rows = await this.database.read<ExecutionRow>(
      { tenantId },
      {
        name: 'execution_read',
        text: `SELECT ${COLUMNS} FROM task_executions e
                 JOIN scheduled_tasks s ON s.tenant_id = e.tenant_id AND s.id = e.schedule_id AND s.deleted_at IS NULL
                WHERE e.tenant_id = $1 AND e.schedule_id = $2 AND e.id = $3`,
        values: [tenantId, scheduleId, id],
      },
    )
    return rows[0] ?? null
  }

  /** One that is there. */
  async get({ tenantId }: Pick<ScheduleKey, 'tenantId'>, id: string, tx: Tx): Promise<ExecutionRow> {
    const rows = await tx.query<ExecutionRow>({
      name: 'execution_get',
      text: `SELECT ${COLUMNS} FROM task_executions e WHERE e.tenant_id = $1 AND e.id = $2`,
      values: [tenantId, id],
    })
    return rows[0] as ExecutionRow
  }

  /** The latest due time first. @param scheduleId null: of all schedules, also those that are deleted */
  list(
    { tenantId, scheduleId }: { tenantId: string; scheduleId: string | null },
    { filter, after, limit }: ExecutionPageQuery,
    tx: Tx,
  ): Promise<ListedExecutionRow[]> {
    const values: unknown[] = [tenantId]
    const conditions = ['e.tenant_id = $1']
    const add = (condition: (parameter: string) => string, value: unknown): void => {
      if (value !== undefined && value !== null) conditions.push(condition(`$${values.push(value)}`))
    }
    add((parameter) => `e.schedule_id = ${parameter}`, scheduleId)
    add((parameter) => `e.status = ${parameter}`, filter.status)
    // PostgreSQL knows no year 0 and no offset of 16 hours or more, which ISO 8601 does.
    add((parameter) => `e.due_at >= ${parameter}`, filter.from && new Date(filter.from))
    add((parameter) => `e.due_at < ${parameter}`, filter.to && new Date(filter.to))
    if (after) {
      const place = [after.at, after.id].map((value) => `$${values.push(value)}`)
      conditions.push(`(e.due_at, e.id) < (${place[0]}::timestamptz, ${place[1]}::uuid)`)
    }
    return tx.query<ListedExecutionRow>({
      text: `SELECT ${COLUMNS} FROM task_executions e WHERE ${conditions.join(' AND ')}
              ORDER BY e.due_at DESC, e.id DESC LIMIT $${values.push(limit)}`,
      values,
    })
  }
}
