import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { ScheduleKey } from '../schedules/schedule.js'

/** What a look at all schedules has found. */
export interface ReadyLook {
  /** Due, or with ends to take note of; the longest due first. */
  readonly ready: readonly ScheduleKey[]
  /** Until the next one is due; null: none is within the time that was looked ahead. */
  readonly nextInMs: number | null
  /** There may be more than these. */
  readonly isFull: boolean
}

interface ReadyRow extends ScheduleKey {
  readonly inMs: number
}

/** Which schedules of all tenants are ready for a turn, on the database's clock. What is ready is taken in its own tenant. */
@Injectable()
export class ReadySchedulesRepository {
  constructor(private readonly database: Database) {}

  async look({ limit, aheadMs }: { limit: number; aheadMs: number }): Promise<ReadyLook> {
    const rows = await this.database.timers.read<ReadyRow>(
      { purpose: 'scheduler.dispatch' },
      {
        name: 'schedules_ready',
        text: `(SELECT tenant_id AS "tenantId", id, extract(epoch FROM next_run_at - now())::float8 * 1000 AS "inMs"
                  FROM scheduled_tasks WHERE next_run_at <= now() + $2 * interval '1 ms' ORDER BY next_run_at LIMIT $1)
               UNION ALL
               (SELECT tenant_id, schedule_id, 0 FROM task_executions WHERE is_uncounted LIMIT $1)`,
        values: [limit, aheadMs],
      },
    )
    const later = rows.flatMap(({ inMs }) => (inMs > 0 ? [inMs] : []))
    const ready = new Map(rows.flatMap((row) => (row.inMs > 0 ? [] : [[row.id, row]])))
    return {
      ready: [...ready.values()].map(({ tenantId, id }) => ({ tenantId, id })),
      nextInMs: later.length > 0 ? Math.min(...later) : null,
      isFull: rows.length >= limit,
    }
  }
}
