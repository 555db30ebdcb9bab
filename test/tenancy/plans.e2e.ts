import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { type Scope, scopeStatement } from '#platform/database/scope.js'
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
    `INSERT INTO runs (tenant_id, id, agent, agent_version, status, task, model, input, created_at)
     SELECT tenant, gen_random_uuid(), 'developer', 1, CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END, 'x', 'x', '{}', now()
       FROM unnest($1::uuid[]) AS tenant, generate_series(1, $2) AS n`,
    [tenants, RUNS_PER_TENANT],
  )
  await database.superuser.query('ANALYZE')
})
afterAll(async () => database[Symbol.asyncDispose]())

/** The plan as the role that serves gets it, policies and all. */
function explain(scope: Scope, sql: string): Promise<string> {
  return database.undone(async () => {
    const { text, values } = scopeStatement(scope, { statementTimeoutMs: 10_000, idleTimeoutMs: 10_000 })
    await database.superuser.query(text, [...(values ?? [])])
    await database.superuser.query(`SET LOCAL ROLE ${database.appRoleName}`)
    const rows = await database.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
}

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
  const plan = await explain({ tenantId }, sql.replaceAll(':tenant', `'${tenantId}'`))
  expect(plan).toContain(index)
  expect(plan).not.toMatch(/Seq Scan|Sort/)
})

it('the sweep finds unfinished runs by their small index', async () => {
  const plan = await explain(
    { purpose: 'runs.sweep' },
    `SELECT tenant_id, id FROM runs WHERE status IN ('pending', 'running') AND (lease_expires_at < now() OR status = 'pending')
      ORDER BY created_at LIMIT 50`,
  )
  expect(plan).toContain('idx_runs_created_status')
  expect(plan).not.toContain('Seq Scan')
})
