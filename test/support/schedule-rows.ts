import { newId } from '#kernel/ids.js'

export interface ScheduleKey {
  readonly tenantId: string
  readonly id: string
}

/** Asks a database as its superuser: a `TestApp` does. */
export interface SqlRunner {
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

/** Who a planted schedule runs for. */
export interface Owner {
  readonly tenantId: string
  readonly userId: string
}

/** A schedule's columns, as far as a test does not mean the usual ones. */
export interface PlantedSchedule {
  readonly agent?: string
  readonly task?: string
  readonly input?: object
  readonly everySeconds?: number
  /** In place of an interval; `dueInMs` then says when it is due, whatever the expression says. */
  readonly cron?: string
  readonly timezone?: string
  readonly overlap?: 'skip' | 'queue' | 'allow' | 'cancel'
  readonly catchUpSeconds?: number
  readonly maxExecutions?: number
  readonly pauseAfterFailures?: number
  readonly apiKeyId?: string
  readonly tzVersion?: string
  /** From now, on the database's clock. */
  readonly dueInMs?: number
  /** Of many: they are due evenly over so long; none: all at the same instant. */
  readonly spreadMs?: number
}

/** Stands behind every time zone database that there is. */
const NEWEST_TZ = '9999z'

/** A schedule as the API would have made it one interval before it is due; nothing has to be waited for that long. */
export async function plantSchedule(
  app: SqlRunner,
  owner: Owner,
  schedule: PlantedSchedule = {},
): Promise<ScheduleKey> {
  const [key] = await plantSchedules(app, owner, 1, schedule)
  return key as ScheduleKey
}

export async function plantSchedules(
  app: SqlRunner,
  { tenantId, userId }: Owner,
  count: number,
  { dueInMs = 0, spreadMs = 0, everySeconds = 3600, ...schedule }: PlantedSchedule = {},
): Promise<ScheduleKey[]> {
  const ids = Array.from({ length: count }, newId)
  await app.sql(
    `WITH planted AS (
       INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, input, cron, every_seconds, timezone, anchor_at, overlap,
         catch_up_seconds, jitter_seconds, max_executions, pause_after_failures, is_active, cursor_at, next_nominal_at,
         next_run_at, tz_version, user_id, api_key_id, created_at, updated_at)
       SELECT $1, id, 'planted', $4, $5, $6, $7, CASE WHEN $7::text IS NULL THEN $8::integer END, $9, due - $8 * interval '1 s', $10,
              $11, 0, $12, $13, true, due - $8 * interval '1 s', due, due, $14, $2, $15, due, due
         FROM unnest($3::uuid[]) WITH ORDINALITY AS planted_id (id, nth), LATERAL (
                SELECT date_trunc('milliseconds', now() + ($16 + $17 * (nth - 1) / cardinality($3)) * interval '1 ms') AS due) AS moment
     )
     SELECT pg_notify('schedules', '')`,
    [
      tenantId,
      userId,
      ids,
      schedule.agent ?? 'developer',
      schedule.task ?? 'Go.',
      schedule.input ?? {},
      schedule.cron ?? null,
      everySeconds,
      schedule.timezone ?? 'UTC',
      schedule.overlap ?? 'skip',
      schedule.catchUpSeconds ?? 0,
      schedule.maxExecutions ?? null,
      schedule.pauseAfterFailures ?? null,
      schedule.tzVersion ?? NEWEST_TZ,
      schedule.apiKeyId ?? null,
      dueInMs,
      spreadMs,
    ],
  )
  return ids.map((id) => ({ tenantId, id }))
}

export interface ExecutionInRow {
  readonly id: string
  readonly trigger: string
  readonly nominalAt: Date
  readonly dueAt: Date
  readonly firedAt: Date | null
  readonly finishedAt: Date | null
  readonly status: string
  readonly reason: string | null
  readonly runId: string | null
  readonly isQueued: boolean
}

/** By their due times. */
export async function executionsOf(app: SqlRunner, { id }: ScheduleKey): Promise<ExecutionInRow[]> {
  const rows = await app.sql(
    `SELECT id, trigger, nominal_at AS "nominalAt", due_at AS "dueAt", fired_at AS "firedAt", finished_at AS "finishedAt",
            status, reason, run_id AS "runId", queued_since IS NOT NULL AS "isQueued"
       FROM task_executions WHERE schedule_id = $1 ORDER BY due_at, id`,
    [id],
  )
  return rows as unknown as ExecutionInRow[]
}

/** One row, by its columns' own names. */
export async function scheduleRow(app: SqlRunner, { id }: Pick<ScheduleKey, 'id'>): Promise<Record<string, unknown>> {
  const [row] = await app.sql('SELECT * FROM scheduled_tasks WHERE id = $1', [id])
  if (!row) throw new Error(`no schedule ${id}`)
  return row
}
