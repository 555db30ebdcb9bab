import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { SCHEDULE_COLUMNS, type ScheduleRow, toRecord } from '../schedules/schedule-columns.js'
import type { ScheduleKey, SchedulePlace, ScheduleRecord } from '../schedules/schedule.js'

/** Next times by another version of the time zone database. */
@Injectable()
export class TimesRefreshRepository {
  constructor(private readonly database: Database) {}

  /** Of all tenants; versions sort by their age (`2026a` < `2026b`). Only cron knows zones. */
  listStale(tzVersion: string, limit: number): Promise<ScheduleKey[]> {
    return this.database.workers.read<ScheduleKey>(
      { purpose: 'scheduler.dispatch' },
      {
        text: `SELECT tenant_id AS "tenantId", id FROM scheduled_tasks
                WHERE next_run_at IS NOT NULL AND cron IS NOT NULL AND tz_version < $1 LIMIT $2`,
        values: [tzVersion, limit],
      },
    )
  }

  /** Those that still have a next time, in an order that turns keep, too. */
  async lock(tenantId: string, ids: readonly string[], tx: Tx): Promise<ScheduleRecord[]> {
    const rows = await tx.query<ScheduleRow>({
      text: `SELECT ${SCHEDULE_COLUMNS} FROM scheduled_tasks s
              WHERE s.tenant_id = $1 AND s.id = ANY($2) AND s.next_run_at IS NOT NULL ORDER BY s.id FOR NO KEY UPDATE`,
      values: [tenantId, ids],
    })
    return rows.map(toRecord)
  }

  async update(places: readonly (SchedulePlace & { id: string })[], tzVersion: string, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE scheduled_tasks s
                SET next_nominal_at = n."nextNominalAt", next_run_at = n."nextRunAt", ended_reason = n."endedReason", tz_version = $2
               FROM jsonb_to_recordset($1) AS n (id uuid, "nextNominalAt" timestamptz, "nextRunAt" timestamptz, "endedReason" text)
              WHERE s.tenant_id = app_tenant() AND s.id = n.id`,
      values: [JSON.stringify(places), tzVersion],
    })
  }
}
