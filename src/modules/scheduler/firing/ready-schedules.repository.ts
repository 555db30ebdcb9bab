import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { ScheduleKey } from '../schedules/schedule.js'

/** What a look at all schedules has found. */
export interface ReadyLook {
  /** Due, woken, or with ends to take note of. */
  readonly ready: readonly ScheduleKey[]
  /** Due within the time that was looked ahead. */
  readonly upcoming: readonly UpcomingSchedule[]
  /** There may be more than these. */
  readonly isFull: boolean
}

/** A schedule that is due in a moment. */
export interface UpcomingSchedule extends ScheduleKey {
  readonly dueAt: Date
  readonly inMs: number
}

/** What a look leaves out. */
export interface Reserved {
  readonly ids: readonly string[]
  readonly tenants: readonly string[]
}

interface ReadyRow extends ScheduleKey {
  /** Null: it is not for a due time. */
  readonly dueAt: Date | null
  readonly inMs: number
}

/** Of all that is due, as far as one look goes: some milliseconds, and only while there is so much. */
const WINDOW = 20_000
/** Of one tenant: another's are not to wait behind all of them. */
const SCHEDULES_PER_TENANT = 200
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/** Which schedules of all tenants are ready for a turn, on the database's clock. What is ready is taken in its own tenant. */
@Injectable()
export class ReadySchedulesRepository {
  constructor(private readonly database: Database) {}

  async look(ask: { limit: number; aheadMs: number; except: Reserved }): Promise<ReadyLook> {
    const rows = await this.database.timers.read<ReadyRow>(
      { purpose: 'scheduler.dispatch' },
      {
        name: 'schedules_ready',
        text: `(SELECT tenant_id AS "tenantId", id, next_run_at AS "dueAt", extract(epoch FROM next_run_at - now())::float8 * 1000 AS "inMs"
                  FROM (SELECT due.tenant_id, due.id, due.next_run_at,
                               row_number() OVER (PARTITION BY due.tenant_id ORDER BY due.next_run_at) AS nth
                          FROM (SELECT tenant_id, id, next_run_at FROM scheduled_tasks
                                 WHERE next_run_at <= now() + $2 * interval '1 ms' ORDER BY next_run_at LIMIT $4) AS due
                         WHERE due.id <> ALL($3) AND due.tenant_id <> ALL($6)) AS ranked
                 WHERE nth <= $5 ORDER BY next_run_at > now(), nth, next_run_at LIMIT $1)
               UNION ALL
               (SELECT DISTINCT tenant_id, schedule_id, NULL::timestamptz, 0::float8 FROM task_executions WHERE is_uncounted AND schedule_id <> ALL($3)
                   AND tenant_id <> ALL($6) LIMIT $1)
               UNION ALL
               (SELECT tenant_id, id, NULL, 0 FROM scheduled_tasks WHERE is_woken AND id <> ALL($3)
                   AND tenant_id <> ALL($6) LIMIT $1)`,
        values: [ask.limit, ask.aheadMs, ask.except.ids, WINDOW, SCHEDULES_PER_TENANT, ask.except.tenants],
      },
    )
    const ready = new Map(rows.flatMap(({ tenantId, id, inMs }) => (inMs > 0 ? [] : [[id, { tenantId, id }]])))
    return {
      ready: [...ready.values()],
      upcoming: rows.flatMap(({ dueAt, inMs, ...key }) =>
        dueAt !== null && inMs > 0 ? [{ ...key, dueAt, inMs }] : [],
      ),
      isFull: ready.size >= Math.min(ask.limit, SCHEDULES_PER_TENANT),
    }
  }

  /** Of those that are due at one instant, some, in an order of chance: replicas that ask at the same moment then begin with different ones. */
  listCrowd({
    dueAt,
    except,
    limit,
  }: {
    dueAt: Date
    except: readonly string[]
    limit: number
  }): Promise<ScheduleKey[]> {
    return this.database.timers.read<ScheduleKey>(
      { purpose: 'scheduler.dispatch' },
      {
        name: 'schedules_crowd',
        text: `SELECT tenant_id AS "tenantId", id FROM scheduled_tasks
                WHERE next_run_at = $1 AND id <> ALL($2) ORDER BY random() LIMIT $3`,
        values: [dueAt, except, limit],
      },
    )
  }

  /** Those whose next time an older time zone database gave, behind `after`; versions sort by their age (`2026a` < `2026b`). */
  listStale(tzVersion: string, after: ScheduleKey | null, limit: number): Promise<ScheduleKey[]> {
    return this.database.timers.read<ScheduleKey>(
      { purpose: 'scheduler.dispatch' },
      {
        name: 'schedules_stale',
        text: `SELECT tenant_id AS "tenantId", id FROM scheduled_tasks
                WHERE next_run_at IS NOT NULL AND cron IS NOT NULL AND tz_version < $1 AND (tenant_id, id) > ($2, $3)
                ORDER BY tenant_id, id LIMIT $4`,
        values: [tzVersion, after?.tenantId ?? FIRST_ID, after?.id ?? FIRST_ID, limit],
      },
    )
  }
}
