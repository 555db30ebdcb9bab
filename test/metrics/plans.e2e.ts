import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { AgentMetricsReadModel } from '../../src/modules/metrics/agents/agent-metrics.read-model.js'
import { DashboardReadModel } from '../../src/modules/metrics/dashboard/dashboard.read-model.js'
import { BUCKET_MS } from '../../src/modules/metrics/time-range.js'
import { TimelineReadModel } from '../../src/modules/metrics/timeline/timeline.read-model.js'
import { explain } from '../support/explain.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { RecordedDatabase, type RecordedStatement } from '../support/recorded-database.js'
import { scansOf } from '../support/table-scans.js'

const TENANTS = 30
/** Over 90 days; half of all are one tenant's. */
const RUNS = 60_000
const RUNS_PER_DAY = RUNS / 2 / 90
/** What the rollup job has not come to yet. */
const IN_TAIL = 6_000

let database: MigratedDatabase
let tenantId: string
const recorded = new RecordedDatabase()

beforeAll(async () => {
  database = await MigratedDatabase.create()
  const { superuser } = database
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  // Past the triggers: what is counted here is what is planted.
  await superuser.query('SET session_replication_role = replica')
  await superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at, started_at, finished_at)
     SELECT tenant, id, id, 'agent-' || n % 7, 1, CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 10 = 1 THEN 'failed' ELSE 'completed' END,
            'x', 'x', '{}', at, at, CASE WHEN n % 1000 > 0 THEN at + interval '3 s' END
       FROM generate_series(0, $3::integer - 1) AS n,
            LATERAL (SELECT ($1::uuid[])[CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % $2::integer END] AS tenant, gen_random_uuid() AS id,
                            now() - (1 - n::float8 / $3) * interval '90 days' AS at) AS planted`,
    [tenants, TENANTS, RUNS],
  )
  await superuser.query(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
       cost_usd, created_at)
     SELECT tenant_id, id, id, agent, 'model-' || right(agent, 1), 1, 0, 1, 0, 0.001, created_at FROM runs`,
  )
  await superuser.query(
    `INSERT INTO cost_hourly (tenant_id, hour, agent, model, executions, unpriced, input_tokens, cached_input_tokens, cache_write_tokens,
       output_tokens, reasoning_tokens, cost_usd, cache_hits, saved_usd)
     SELECT tenant_id, date_trunc('hour', created_at, 'UTC'), agent, model, count(*), 0, 1, 0, 0, 1, 0, sum(cost_usd), 0, 0
       FROM cost_tracking GROUP BY 1, 2, 3, 4`,
  )
  await superuser.query(
    `INSERT INTO cost_tail (tenant_id, id, created_at, agent, model, executions, cost_usd)
     SELECT ($1::uuid[])[1 + n % $2::integer], gen_random_uuid(), now() - n * interval '1 s', 'x', 'x', 1, 0.001
       FROM generate_series(1, $3::integer) AS n`,
    [tenants, TENANTS, IN_TAIL],
  )
  await superuser.query('SET session_replication_role = origin')
  await superuser.query('VACUUM (ANALYZE) runs, cost_tracking, cost_hourly, cost_tail, tenants')
})
afterAll(async () => database?.[Symbol.asyncDispose]())

const MONEY = {
  cost_hourly: /^cost_hourly_pkey$/,
  cost_tail: /^cost_tail_pkey$/,
  cost_tracking: /^idx_cost_tracking_(tenant_date_agent|model_date)$/,
}

async function expectIndexes(statement: RecordedStatement, runs: RegExp): Promise<void> {
  // What is not prepared is planned for its values each time.
  for (const mode of statement.name === null ? (['once'] as const) : (['once', 'ever'] as const)) {
    const scans = await scansOf(database, statement, mode)
    const expected: Readonly<Record<string, RegExp>> = { ...MONEY, runs }
    const counted = scans.filter(({ table }) => expected[table])
    expect(new Set(counted.map(({ table }) => table))).toContain('runs')
    for (const { table, index } of counted)
      expect({ mode, table, index }).toEqual({ mode, table, index: expect.stringMatching(expected[table]!) })
  }
}

async function planOf({ scope, text, values }: RecordedStatement): Promise<string> {
  const inlined = text.replaceAll(/\$(\d)/g, (_, nth: string) => literal(values[Number(nth) - 1]))
  return explain(database, scope, inlined)
}

function literal(value: unknown): string {
  if (value instanceof Date) return `'${value.toISOString()}'::timestamptz`
  return Array.isArray(value) ? `'{${value.join()}}'::text[]` : `'${String(value)}'`
}

describe('the dashboard', () => {
  const listBuiltIn = { builtInSlugs: ['agent-0', 'agent-1'] }

  it('reads the last day of its runs from the index alone, what is active, and sums', async () => {
    const [statement] = await recorded.during(() =>
      new DashboardReadModel(recorded.database).get({ tenantId, ...listBuiltIn }).catch(() => undefined),
    )
    // Of what is active there is little, whichever index of it is taken.
    await expectIndexes(statement!, /^idx_runs_(tenant_created|tenant_status|created_status)$/)
    const plan = await planOf(statement!)
    expect(plan.match(/ on runs/g)).toHaveLength(2)
    expect(plan).toMatch(/Index Only Scan using idx_runs_tenant_created on runs/)
    // No more of them than are of that time; the day at hand may be that much longer.
    const scans = await scansOf(database, statement!, 'once')
    const lastDay = scans.find(({ index }) => index === 'idx_runs_tenant_created')
    expect(lastDay?.rows).toBeLessThanOrEqual(RUNS_PER_DAY * 1.1)
  })
})

describe('the figures of a week', () => {
  const to = new Date(Math.ceil(Date.now() / BUCKET_MS.day) * BUCKET_MS.day)
  const range = { from: new Date(to.getTime() - 7 * BUCKET_MS.day), to }

  it.each([
    ['of agents', () => new AgentMetricsReadModel(recorded.database).list(tenantId, range, 300)],
    ['by the hour', () => new TimelineReadModel(recorded.database).list(tenantId, range, 'hour')],
    ['by the day', () => new TimelineReadModel(recorded.database).list(tenantId, range, 'day')],
  ])('%s are read from the index alone, and from sums', async (_what, list) => {
    const [statement] = await recorded.during(list)
    await expectIndexes(statement!, /^idx_runs_tenant_created$/)
    const plan = await planOf(statement!)
    expect(plan).toMatch(/Index Only Scan using idx_runs_tenant_created on runs/)
    expect(plan).not.toMatch(/ on cost_tracking/)
    const scan = (await scansOf(database, statement!, 'once')).find(({ table }) => table === 'runs')
    expect(scan?.rows).toBeLessThanOrEqual(RUNS_PER_DAY * 7 * 1.1)
  })
})

it.each([
  ['v_run_metrics_summary', 2],
  ['v_run_status_distribution_24h', 1],
  ['v_agent_performance_metrics', 1],
])('%s reads only the tenant that is asked for, from the index alone', async (view, scans) => {
  const plan = await explain(database, { tenantId }, `SELECT * FROM ${view} WHERE tenant_id = '${tenantId}'`)
  expect(plan.match(/Index Only Scan using idx_runs_tenant_created on runs/g)).toHaveLength(scans)
  expect(plan).not.toMatch(/Seq Scan on runs/)
})

it('v_cost_summary_hourly reads only the hours that are asked for', async () => {
  const plan = await explain(
    database,
    { tenantId },
    `SELECT * FROM v_cost_summary_hourly WHERE tenant_id = '${tenantId}' AND hour >= date_trunc('hour', now()) - interval '1 day'`,
  )
  expect(plan).toMatch(/Scan (on|using) cost_hourly_pkey/)
  expect(plan).not.toMatch(/Seq Scan/)
})
