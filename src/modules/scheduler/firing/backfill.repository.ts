import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import type { Requester } from './turn-rows.js'

export interface DueTime {
  readonly id: string
  readonly nominalAt: Date
  readonly dueAt: Date
}

/** Due times that are made up for. Their schedule's row is locked. */
@Injectable()
export class BackfillRepository {
  /** The schedule has a turn as soon as this is committed. */
  async wake({ tenantId, id }: ScheduleKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE scheduled_tasks SET is_woken = true WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id],
    })
  }

  /** Due times wait for their runs, but for those that have or had one, or wait already. @returns how many do */
  async queue({ tenantId, id }: ScheduleKey, times: readonly DueTime[], requester: Requester, tx: Tx): Promise<number> {
    return tx.execute({
      text: `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, status, queued_since, user_id,
               api_key_id, created_at)
             SELECT $1, t.id, $2, 'backfill', t."nominalAt", t."dueAt", 'running', moment.now, $4, $5, moment.now
               FROM (SELECT clock_timestamp() AS now) AS moment,
                    jsonb_to_recordset($3) AS t (id uuid, "nominalAt" timestamptz, "dueAt" timestamptz)
             ON CONFLICT (tenant_id, schedule_id, nominal_at) WHERE trigger <> 'manual' DO UPDATE
                SET trigger = 'backfill', status = 'running', reason = NULL, queued_since = excluded.queued_since, fired_at = NULL,
                    finished_at = NULL, created_at = excluded.created_at, run_id = NULL, user_id = excluded.user_id, api_key_id = excluded.api_key_id
              WHERE task_executions.status IN ('missed', 'skipped')
                 OR task_executions.status = 'failed' AND (task_executions.run_id IS NULL OR task_executions.reason = $6)`,
      values: [tenantId, id, JSON.stringify(times), requester.userId, requester.apiKeyId, EXECUTION_REASONS.replaced],
    })
  }
}
