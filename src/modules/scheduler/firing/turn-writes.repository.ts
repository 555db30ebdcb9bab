import { Injectable } from '@nestjs/common'
import { toStorableJson } from '#kernel/storable.js'
import type { Tx } from '#platform/database/tx.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import type { RefusedExecution } from './turn-rows.js'
import type { ClosedExecution, ExecutionToAdd, ScheduleStanding, StartedExecution } from './turn-writes.js'

/** Writes what turns decide, all schedules of a tenant in one statement each. Their rows are locked. */
@Injectable()
export class TurnWritesRepository {
  /** What has a run, or will have none, has fired now, or fires when it is due; what was missed never has. */
  async add(executions: readonly ExecutionToAdd[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_add',
      text: `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, reason, run_id,
               queued_since, user_id, api_key_id, created_at, finished_at)
             SELECT app_tenant(), e.id, e."scheduleId", e.trigger, e."nominalAt", e."dueAt",
                    CASE WHEN e.status <> 'missed' AND NOT e."isQueued" THEN moment.now END, e.status, e.reason, e."runId",
                    CASE WHEN e."isQueued" THEN moment.now END, e."userId", e."apiKeyId", moment.now,
                    CASE WHEN e.status <> 'running' THEN moment.now END
               FROM jsonb_to_recordset($1) AS e (id uuid, "scheduleId" uuid, trigger text, "nominalAt" timestamptz,
                      "dueAt" timestamptz, status text, reason text, "runId" uuid, "isQueued" boolean, "userId" uuid, "apiKeyId" uuid),
                    LATERAL (SELECT greatest(clock_timestamp(), e."dueAt") AS now) AS moment`,
      values: [toStorableJson(executions)],
    })
  }

  /** Executions that were to be fired when they were due, and were fired later. */
  async delay(dueAt: Date, scheduleIds: readonly string[], firedAt: Date, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_delay',
      text: `UPDATE task_executions SET fired_at = $3
              WHERE tenant_id = app_tenant() AND schedule_id = ANY($2) AND due_at = $1 AND trigger = 'schedule'`,
      values: [dueAt, scheduleIds, firedAt],
    })
  }

  /** Executions that waited have their runs. */
  async start(executions: readonly StartedExecution[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_start',
      text: `UPDATE task_executions e SET run_id = started."runId", fired_at = clock_timestamp(), queued_since = NULL
               FROM jsonb_to_recordset($1) AS started (id uuid, "runId" uuid)
              WHERE e.tenant_id = app_tenant() AND e.id = started.id`,
      values: [JSON.stringify(executions)],
    })
  }

  /** Executions that waited have none. */
  async refuse(executions: readonly RefusedExecution[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_refuse',
      text: `UPDATE task_executions e SET status = refused.status, reason = refused.reason, queued_since = NULL,
                    fired_at = clock_timestamp(), finished_at = clock_timestamp()
               FROM jsonb_to_recordset($1) AS refused (id uuid, status text, reason text)
              WHERE e.tenant_id = app_tenant() AND e.id = refused.id`,
      values: [JSON.stringify(executions)],
    })
  }

  /** Executions whose runs have ended without a word. */
  async close(executions: readonly ClosedExecution[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_close',
      text: `UPDATE task_executions e SET status = closed.status, reason = coalesce(e.reason, closed.reason), finished_at = clock_timestamp()
               FROM jsonb_to_recordset($1) AS closed (id uuid, status text, reason text)
              WHERE e.tenant_id = app_tenant() AND e.id = closed.id AND e.status = 'running'`,
      values: [JSON.stringify(executions)],
    })
  }

  /** Their ends are taken note of. */
  async count(ids: readonly string[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_count',
      text: 'UPDATE task_executions SET is_uncounted = false WHERE tenant_id = app_tenant() AND id = ANY($1)',
      values: [ids],
    })
  }

  /**
   * Why executions end that are being stopped. Once their runs are locked, as whoever ends a run locks it first; what came to an end
   * of its own meanwhile keeps it.
   */
  async giveReason(ids: readonly string[], reason: string, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'executions_reason',
      text: `UPDATE task_executions SET reason = $2
              WHERE tenant_id = app_tenant() AND id = ANY($1) AND (status = 'running' OR reason = $3)`,
      values: [ids, reason, EXECUTION_REASONS.cancelled],
    })
  }

  async update(schedules: readonly ScheduleStanding[], tzVersion: string, tx: Tx): Promise<void> {
    await tx.execute({
      name: 'schedules_update',
      text: `UPDATE scheduled_tasks s
                SET is_active = n."isActive", is_woken = n."isWoken", paused_reason = n."pausedReason", ended_reason = n."endedReason",
                    cursor_at = n."cursorAt", next_nominal_at = n."nextNominalAt", next_run_at = n."nextRunAt", tz_version = $2,
                    executions = n.executions, consecutive_failures = n."consecutiveFailures",
                    last_fired_at = CASE WHEN n."hasFired" THEN greatest(clock_timestamp(), n.now) ELSE s.last_fired_at END
               FROM jsonb_to_recordset($1) AS n (id uuid, "isActive" boolean, "isWoken" boolean, "pausedReason" text, "endedReason" text,
                      "cursorAt" timestamptz, "nextNominalAt" timestamptz, "nextRunAt" timestamptz, executions bigint,
                      "consecutiveFailures" integer, "hasFired" boolean, now timestamptz)
              WHERE s.tenant_id = app_tenant() AND s.id = n.id`,
      values: [JSON.stringify(schedules), tzVersion],
    })
  }
}
