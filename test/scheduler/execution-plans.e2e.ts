import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { explain } from '../support/explain.js'
import { MigratedDatabase } from '../support/migrated-database.js'

const TENANTS = 5
const SCHEDULES_PER_TENANT = 2
const EXECUTIONS_PER_SCHEDULE = 2000

let database: MigratedDatabase
let tenantId: string
let scheduleId: string

/** A minute between two executions of a schedule; one in a hundred was missed. */
beforeAll(async () => {
  database = await MigratedDatabase.create()
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  const { superuser } = database
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  await superuser.query(
    `INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, input, every_seconds, timezone, anchor_at, overlap,
       catch_up_seconds, jitter_seconds, is_active, cursor_at, tz_version, user_id, created_at, updated_at)
     SELECT tenant, gen_random_uuid(), 'x', 'x', 'x', '{}', 60, 'UTC', now(), 'skip', 0, 0, true, now(), 'x', tenant, now(), now()
       FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2)`,
    [tenants, SCHEDULES_PER_TENANT],
  )
  await superuser.query(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, status, created_at, finished_at)
     SELECT tenant_id, gen_random_uuid(), id, 'schedule', due, due, CASE n % 100 WHEN 0 THEN 'missed' ELSE 'completed' END, due, due
       FROM scheduled_tasks, generate_series(1, $1) AS n, LATERAL (SELECT now() - n * interval '1 minute' AS due) AS d`,
    [EXECUTIONS_PER_SCHEDULE],
  )
  await superuser.query('ANALYZE')
  const rows = await database.rows<{ id: string }>('SELECT id FROM scheduled_tasks WHERE tenant_id = $1', [tenantId])
  scheduleId = rows[0]!.id
})
afterAll(async () => database[Symbol.asyncDispose]())

const OF_TENANT = 'FROM task_executions e WHERE e.tenant_id = :tenant'
const OF_SCHEDULE = `${OF_TENANT} AND e.schedule_id = :schedule`
const AFTER = `AND (e.due_at, e.id) < (now() - interval '500 minutes', '0199f1d6-6c1e-7d3a-9b55-0f6f2a1c7e10'::uuid)`
const PAGE = 'ORDER BY e.due_at DESC, e.id DESC LIMIT 21'

it.each([
  ["a schedule's first page", `${OF_SCHEDULE} ${PAGE}`, 'idx_task_executions_tenant_schedule', 'schedule_id'],
  ["a schedule's later page", `${OF_SCHEDULE} ${AFTER} ${PAGE}`, 'idx_task_executions_tenant_schedule', 'due_at'],
  ["a tenant's first page", `${OF_TENANT} ${PAGE}`, 'idx_task_executions_tenant_date_status', 'tenant_id'],
  ["a tenant's later page", `${OF_TENANT} ${AFTER} ${PAGE}`, 'idx_task_executions_tenant_date_status', 'due_at'],
  [
    "a tenant's page of one status in a window of time",
    `${OF_TENANT} AND e.status = 'missed' AND e.due_at >= now() - interval '30 hours' AND e.due_at < now() ${PAGE}`,
    'idx_task_executions_tenant_date_status',
    'due_at',
  ],
])('%s is read in its order from an index', async (_, from, index, bound) => {
  const sql = `SELECT * ${from}`.replaceAll(':tenant', `'${tenantId}'`).replaceAll(':schedule', `'${scheduleId}'`)
  const plan = await explain(database, { tenantId }, sql)
  expect(plan).toMatch(new RegExp(`Index (Only )?Scan using ${index} on task_executions`))
  expect(plan).toMatch(new RegExp(`Index Cond: .*\\b${bound}\\b`))
  expect(plan).not.toContain('Sort')
})
