import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { TenantSchedules } from '../firing/tenant-schedules.js'
import type { ScheduleKey } from '../schedules/schedule.js'

/** Removes executions that have been kept long enough. */
@Injectable()
export class ExecutionRetentionRepository {
  constructor(private readonly database: Database) {}

  /** The oldest of all tenants', but for those that still run or wait. @returns the schedule of each */
  deleteOld({ days, limit }: { days: number; limit: number }): Promise<ScheduleKey[]> {
    return this.database.workers.transaction({ purpose: 'scheduler.retention' }, (tx) =>
      tx.query<ScheduleKey>({
        text: `DELETE FROM task_executions WHERE (tenant_id, id) IN
                 (SELECT tenant_id, id FROM task_executions WHERE created_at < now() - $1 * interval '1 day' AND finished_at IS NOT NULL
                   ORDER BY created_at LIMIT $2)
               RETURNING tenant_id AS "tenantId", schedule_id AS id`,
        values: [days, limit],
      }),
    )
  }

  /** Of these schedules of a tenant, those that are deleted and have no execution any more. */
  async deleteEmpty({ tenantId, ids }: TenantSchedules): Promise<void> {
    await this.database.workers.transaction({ tenantId }, (tx) =>
      tx.execute({
        text: `DELETE FROM scheduled_tasks s WHERE s.tenant_id = $1 AND s.id = ANY($2) AND s.deleted_at IS NOT NULL
                  AND NOT EXISTS (SELECT FROM task_executions e WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id)`,
        values: [tenantId, ids],
      }),
    )
  }
}
