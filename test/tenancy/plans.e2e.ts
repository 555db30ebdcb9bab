import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { explain } from '../support/explain.js'
import { MigratedDatabase } from '../support/migrated-database.js'

const TENANTS = 40
const RUNS_PER_TENANT = 500

let database: MigratedDatabase
let tenantId: string

/** Many tenants with many runs: a plan that reads them all would be the planner's last choice, and the policies its only reason. */
beforeAll(async () => {
  database = await MigratedDatabase.create()
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await database.superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [
    tenants,
  ])
  await database.superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at, queued_since)
     SELECT tenant, id, id, 'developer', 1, CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END, 'x', 'x', '{}', now(),
            CASE WHEN n % 100 = 0 THEN now() END
       FROM (SELECT tenant, n, gen_random_uuid() AS id FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2) AS n) AS planted`,
    [tenants, RUNS_PER_TENANT],
  )
  await database.superuser.query('ANALYZE')
})
afterAll(async () => database[Symbol.asyncDispose]())

it.each([
  ['one run', `SELECT * FROM runs r WHERE r.tenant_id = :tenant AND r.id = '${newId()}'`, 'runs_pkey'],
  ['a page of runs', 'SELECT * FROM runs r WHERE r.tenant_id = :tenant ORDER BY r.id DESC LIMIT 20', 'runs_pkey'],
  [
    'a page of one agent',
    `SELECT * FROM runs r WHERE r.tenant_id = :tenant AND r.agent = 'devops' ORDER BY r.id DESC LIMIT 20`,
    'idx_runs_tenant_agent',
  ],
  [
    'a page of one status',
    `SELECT * FROM runs r WHERE r.tenant_id = :tenant AND r.status = 'failed' ORDER BY r.id DESC LIMIT 20`,
    'idx_runs_tenant_status',
  ],
])('%s is found by the index, whatever the policies add', async (_what, sql, index) => {
  const plan = await explain(database, { tenantId }, sql.replaceAll(':tenant', `'${tenantId}'`))
  expect(plan).toContain(index)
  expect(plan).not.toMatch(/Seq Scan|Sort/)
})

it.each([
  [
    'the tenants that wait',
    'SELECT r.tenant_id FROM runs r WHERE r.queued_since IS NOT NULL ORDER BY r.tenant_id LIMIT 1',
    'idx_runs_queue',
  ],
  [
    'the longest waiting run of a tenant',
    'SELECT r.id FROM runs r WHERE r.tenant_id = :tenant AND r.queued_since IS NOT NULL ORDER BY r.queued_since, r.id LIMIT 6',
    'idx_runs_queue',
  ],
  [
    'runs whose worker has gone silent',
    `SELECT id FROM runs WHERE status = 'running' AND lease_expires_at < now() LIMIT 50`,
    'idx_runs_running',
  ],
  [
    'runs that may have waited too long for their children',
    `SELECT id FROM runs WHERE status = 'running' AND (tenant_id, id) > (:tenant, :tenant) AND lease_expires_at IS NULL
        AND queued_since IS NULL AND deadline_at < now() ORDER BY tenant_id, id LIMIT 50`,
    'idx_runs_running',
  ],
])('the sweep finds %s by a small index', async (_what, sql, index) => {
  const plan = await explain(database, { purpose: 'runs.sweep' }, sql.replaceAll(':tenant', `'${tenantId}'`))
  expect(plan).toContain(index)
  expect(plan).not.toMatch(/Seq Scan|Sort/)
})

/**
 * While a table is empty all of its indexes seem alike, the newest is taken, and a connection keeps that plan: one that walks all
 * of a tenant's runs at each check of a reference to one.
 */
it('a reference to a run is checked by the key, also where the plan was made before the first run', async () => {
  await using empty = await MigratedDatabase.create()
  const plan = await empty.undone(async () => {
    await empty.superuser.query('SET LOCAL plan_cache_mode = force_generic_plan')
    // As PostgreSQL's own check has it (ri_triggers.c).
    await empty.superuser.query(
      'PREPARE reference (uuid, uuid) AS SELECT 1 FROM ONLY runs x WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE OF x',
    )
    const rows = await empty.rows<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE reference ('${newId()}', '${newId()}')`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
  expect(plan).toContain('runs_pkey')
})

it('a renewal of a lease touches no index', async () => {
  const [counts] = await database.undone(async () => {
    await database.superuser.query(
      `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at, lease_expires_at)
       SELECT $1, id, id, 'developer', 1, 'running', 'x', 'x', '{}', now(), now()
         FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 100)) AS planted`,
      [tenantId],
    )
    await database.superuser.query(
      `UPDATE runs SET lease_expires_at = now() + interval '1 s', last_event = last_event + 1
        WHERE id = (SELECT id FROM runs WHERE status = 'running' LIMIT 1)`,
    )
    return database.rows<{ all: number; hot: number }>(
      `SELECT pg_stat_get_xact_tuples_updated('runs'::regclass)::int AS all,
              pg_stat_get_xact_tuples_hot_updated('runs'::regclass)::int AS hot`,
    )
  })
  expect(counts).toEqual({ all: 1, hot: 1 })
})
