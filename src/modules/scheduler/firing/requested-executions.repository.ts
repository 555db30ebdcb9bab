import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { ExecutionRow } from '../executions/execution-view.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import type { Requester } from './turn-rows.js'

export interface DueTime {
  readonly id: string
  readonly nominalAt: Date
  readonly dueAt: Date
}

/** Executions that somebody asks for. Their schedule's row is locked. */
@Injectable()
export class RequestedExecutionsRepository {
  async get(tenantId: string, id: string, tx: Tx): Promise<ExecutionRow> {
    const rows = await tx.query<ExecutionRow>({
      text: `SELECT id, schedule_id AS "scheduleId", trigger, nominal_at AS "nominalAt", due_at AS "dueAt", fired_at AS "firedAt",
                    status, reason, run_id AS "runId", queued_since AS "queuedSince", finished_at AS "finishedAt"
               FROM task_executions WHERE tenant_id = $1 AND id = $2`,
      values: [tenantId, id],
    })
    return rows[0] as ExecutionRow
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
                    finished_at = NULL, user_id = excluded.user_id, api_key_id = excluded.api_key_id
              WHERE task_executions.run_id IS NULL AND task_executions.status IN ('missed', 'skipped', 'failed')`,
      values: [tenantId, id, JSON.stringify(times), requester.userId, requester.apiKeyId],
    })
  }
}
