import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { ProjectUse } from './project.js'

/** What goes on in projects. */
@Injectable()
export class ProjectUseReadModel {
  /**
   * Runs that have not ended, and schedules that could start one: those that wait for a time or have executions that wait. One that
   * is paused or has ended does not count. In one statement, since a schedule ends in the commit that starts its last run.
   */
  async find({ tenantId, id }: { tenantId: string; id: string }, tx: Tx): Promise<ProjectUse> {
    const rows = await tx.query<ProjectUse>({
      text: `SELECT EXISTS (SELECT FROM runs
                             WHERE tenant_id = $1 AND project_id = $2 AND status IN ('pending', 'running', 'waiting_approval'))
                      AS "hasActiveRuns",
                    EXISTS (SELECT FROM scheduled_tasks s
                             WHERE s.tenant_id = $1 AND s.project_id = $2 AND s.is_active
                               AND (s.next_run_at IS NOT NULL
                                    OR EXISTS (SELECT FROM task_executions e
                                                WHERE e.tenant_id = s.tenant_id AND e.schedule_id = s.id
                                                  AND e.status = 'running' AND e.queued_since IS NOT NULL)))
                      AS "hasActiveSchedules"`,
      values: [tenantId, id],
    })
    return rows[0] ?? { hasActiveRuns: false, hasActiveSchedules: false }
  }
}
