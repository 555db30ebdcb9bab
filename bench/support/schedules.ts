import type { Client } from 'pg'
import { registerClient } from './api-client.ts'

export interface ScheduleOwners {
  readonly tenantIds: readonly string[]
  readonly userId: string
}

/** One user with that many tenants: registering costs a hash each, which says nothing about schedules. */
export async function addOwners(sql: Client, baseUrl: string, tenants: number): Promise<ScheduleOwners> {
  const { tenantId } = await registerClient(baseUrl)
  const { rows } = await sql.query<{ userId: string; tenantIds: string[] }>(
    `WITH own AS (SELECT user_id FROM memberships WHERE tenant_id = $1),
          more AS (INSERT INTO tenants (id, name, created_at) SELECT uuid_at(now()), 'Bench', now() FROM generate_series(2, $2::integer) RETURNING id),
          members AS (INSERT INTO memberships (tenant_id, user_id, role, created_at) SELECT id, user_id, 'owner', now() FROM more, own RETURNING tenant_id)
     SELECT user_id AS "userId", array_prepend($1::uuid, ARRAY(SELECT tenant_id FROM members)) AS "tenantIds" FROM own`,
    [tenantId, tenants],
  )
  return rows[0]!
}

export interface PlantedSchedules {
  readonly count: number
  readonly everySeconds: number
  /** When they are due first; with `spreadMs`, the first of them. */
  readonly firstDueAt: Date
  /** They are due evenly over so long; 0: all at the same instant. */
  readonly spreadMs?: number
  readonly name?: string
}

/** Schedules as the API leaves them one interval before they are due, spread evenly over the tenants. */
export async function plantSchedules(
  sql: Client,
  { tenantIds, userId }: ScheduleOwners,
  { count, everySeconds, firstDueAt, spreadMs = 0, name = 'bench' }: PlantedSchedules,
): Promise<void> {
  await sql.query(
    `INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, input, every_seconds, timezone, anchor_at, overlap,
       catch_up_seconds, jitter_seconds, is_active, cursor_at, next_nominal_at, next_run_at, tz_version, user_id, created_at, updated_at)
     SELECT ($1::uuid[])[1 + nth % $2::integer], uuid_at(now()), $3, 'developer', 'Describe the number ' || nth, '{}', $4::integer,
            'UTC', due - $4 * interval '1 s', 'allow', 0, 0, true, due - $4 * interval '1 s', due, due, '2026a', $5::uuid, now(), now()
       FROM (SELECT nth, date_trunc('milliseconds', $6::timestamptz + ($7::float8 * nth / $8::integer) * interval '1 ms') AS due
               FROM generate_series(0, $8 - 1) AS nth) AS planted`,
    [tenantIds, tenantIds.length, name, everySeconds, userId, firstDueAt, spreadMs, count],
  )
  await sql.query(`SELECT pg_notify('schedules', '')`)
}

/** The start of a second on the database's clock, at least so far ahead. */
export async function secondAhead(sql: Client, aheadMs: number): Promise<Date> {
  const { rows } = await sql.query<{ at: Date }>(
    `SELECT date_trunc('second', now() + $1::float8 * interval '1 ms' + interval '1 s') AS at`,
    [aheadMs],
  )
  return rows[0]!.at
}

/** Forgets them all, with what they have done. */
export async function removeSchedules(sql: Client): Promise<void> {
  await sql.query('DELETE FROM scheduled_tasks')
}
