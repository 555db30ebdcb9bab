import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { Database } from '#platform/database/database.js'
import type { Statement } from '#platform/database/statement.js'
import type { Tx } from '#platform/database/tx.js'
import { CostEntriesRepository } from '../../src/modules/costs/reports/cost-entries.repository.js'
import { CostSummaryRepository } from '../../src/modules/costs/reports/cost-summary.repository.js'
import type { SummaryKey } from '../../src/modules/costs/reports/cost-summary.schemas.js'
import { toHourParts } from '../../src/modules/costs/reports/hour-parts.js'
import { CostRollupRepository } from '../../src/modules/costs/rollups/cost-rollup.repository.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { RecordedDatabase, type RecordedStatement } from '../support/recorded-database.js'
import { scansOf, type TableScan } from '../support/table-scans.js'

const TENANTS = 20
/** Half of all are one tenant's, over 90 days. */
const ENTRIES = 40_000
const IN_TAIL = 2000
const MS_PER_DAY = 86_400_000

let database: MigratedDatabase
let tenantId: string
let projectIds: string[]
let runId: string
const recorded = new RecordedDatabase()
const now = new Date()
const days = (count: number) => new Date(now.getTime() - count * MS_PER_DAY)

beforeAll(async () => {
  database = await MigratedDatabase.create()
  const { superuser } = database
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  await superuser.query(
    `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at)
     SELECT tenant, gen_random_uuid(), 'p' || n, 'x', now(), now() FROM unnest($1::uuid[]) AS tenant, generate_series(1, 100) AS n`,
    [tenants],
  )
  await superuser.query('SET session_replication_role = replica')
  await superuser.query(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, project_id, agent, model, user_id, api_key_id, input_tokens, cached_input_tokens,
       output_tokens, reasoning_tokens, cost_usd, created_at, step, is_estimated)
     SELECT tenant, uuid_at(at), uuid_at(at), p.id, 'agent-' || n % 7, 'model-' || n % 5, p.id, CASE WHEN n % 3 = 0 THEN p.id END, n, 0, n, 0,
            CASE WHEN n % 50 > 0 THEN 0.001 END, at, 1, false
       FROM (SELECT n, ($1::uuid[])[CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % $2::integer END] AS tenant,
                    now() - n * interval '90 days' / $3::integer AS at
               FROM generate_series(1, $3::integer) AS n) AS planted
       JOIN projects p ON p.tenant_id = tenant AND p.slug = 'p' || 1 + n % 97`,
    [tenants, TENANTS, ENTRIES],
  )
  await superuser.query('SET session_replication_role = origin')
  const sums = `count(*), count(*) FILTER (WHERE cost_usd IS NULL), sum(input_tokens), 0, 0, sum(output_tokens), 0,
                coalesce(sum(cost_usd), 0), 0, 0`
  const columns = `executions, unpriced, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                   cost_usd, cache_hits, saved_usd`
  await superuser.query(
    `INSERT INTO cost_hourly (tenant_id, hour, agent, model, ${columns})
     SELECT tenant_id, date_trunc('hour', created_at, 'UTC') AS hour, agent, model, ${sums} FROM cost_tracking GROUP BY 1, 2, 3, 4`,
  )
  await superuser.query(
    `INSERT INTO cost_hourly_detail (tenant_id, id, hour, agent, model, project_id, user_id, api_key_id, ${columns})
     SELECT tenant_id, gen_random_uuid(), date_trunc('hour', created_at, 'UTC') AS hour, agent, model, project_id, user_id, api_key_id, ${sums}
       FROM cost_tracking GROUP BY 1, 3, 4, 5, 6, 7, 8`,
  )
  await superuser.query(
    `INSERT INTO cost_tail (tenant_id, id, created_at, agent, model) SELECT tenant_id, id, created_at, agent, model
       FROM cost_tracking ORDER BY created_at DESC LIMIT $1`,
    [IN_TAIL],
  )
  await superuser.query('ANALYZE')
  const projects = await database.rows<{ id: string }>('SELECT id FROM projects WHERE tenant_id = $1', [tenantId])
  projectIds = projects.map(({ id }) => id)
  const runs = await database.rows<{ id: string }>(
    'SELECT run_id AS id FROM cost_tracking WHERE tenant_id = $1 LIMIT 1',
    [tenantId],
  )
  runId = runs[0]!.id
}, 120_000)
afterAll(async () => database[Symbol.asyncDispose]())

/** Without a name a statement is planned for its values each time. */
async function scans(statement: RecordedStatement | undefined): Promise<TableScan[]> {
  const found = await scansOf(database, statement!, 'once')
  const whole = found.filter(({ index, table }) => index === null && table.startsWith('cost_') && table !== 'cost_tail')
  expect({ text: statement!.text, whole }).toMatchObject({ whole: [] })
  return found
}
const rowsOf = (found: readonly TableScan[], table: string): number =>
  found.filter((scan) => scan.table === table).reduce((sum, { rows }) => sum + (rows ?? 0), 0)

describe('a summary', () => {
  const sum = async (keys: readonly SummaryKey[], filter = {}, range = { from: days(30), to: now }) => {
    const summaries = new CostSummaryRepository(recorded.database)
    const ask = { tenantId, filter, parts: toHourParts(range), keys, limit: 10_001 }
    const [statement] = await recorded.during(() => summaries.sum(ask))
    return scans(statement)
  }

  it.each<[SummaryKey[], object, string]>([
    [['agent', 'model'], {}, 'cost_hourly'],
    [[], {}, 'cost_hourly'],
    [['day'], { agent: 'agent-1' }, 'cost_hourly'],
    [['project'], {}, 'cost_hourly_detail'],
    [['user', 'apiKey'], {}, 'cost_hourly_detail'],
    [['agent'], { project: 'p7' }, 'cost_hourly_detail'],
  ])('by %j, of %j, reads the 30 days of %s, and entries of two hours at most', async (keys, filter, table) => {
    const found = await sum(keys, filter)
    const [{ count } = { count: 0 }] = await database.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${table} WHERE tenant_id = $1 AND hour >= $2`,
      [tenantId, days(30)],
    )
    expect(rowsOf(found, table)).toBeLessThanOrEqual(count)
    // 222 a day.
    expect(rowsOf(found, 'cost_tracking')).toBeLessThan(50)
    expect([...new Set(found.map((scan) => scan.table))].filter((name) => name.startsWith('cost_hourly'))).toEqual([
      table,
    ])
  })

  it('of minutes reads the entries of these minutes', async () => {
    const from = new Date(now.getTime() - 10 * 60_000)
    const found = await sum(['agent'], {}, { from, to: now })
    expect(rowsOf(found, 'cost_tracking')).toBeLessThan(50)
    expect(rowsOf(found, 'cost_hourly')).toBeLessThan(50)
  })
})

describe('entries', () => {
  const list = async (filter: object, order: 'newest first' | 'oldest first', after = {}) => {
    const entries = new CostEntriesRepository(recorded.database)
    const ask = { tenantId, filter, order, after: undefined, limit: 21, pool: 'requests' as const, ...after }
    const [statement] = await recorded.during(() => entries.list(ask))
    return scans(statement)
  }
  const later = { after: { at: days(45).toISOString().replace('Z', '000Z'), id: newId() } }

  it.each([
    ['a first page', {}, {}],
    ['a page from the middle', {}, later],
    ['a page of an agent', { agent: 'agent-3' }, later],
    ['a page of a model', { model: 'model-3' }, later],
    ['what has no price', { unpriced: 'true' }, {}],
    ['a page of a range', { from: days(20).toISOString(), to: days(10).toISOString() }, {}],
  ])('are read in their order, and few more than are shown: %s', async (_what, filter, after) => {
    for (const order of ['newest first', 'oldest first'] as const) {
      const found = await list(filter, order, after)
      expect(rowsOf(found, 'cost_tracking')).toBeLessThan(500)
    }
  })

  it('of a project, a key or a run are found by an index', async () => {
    for (const filter of [{ project: 'p7' }, { key: projectIds[7] }, { runId }, { user: projectIds[7] }]) {
      const found = await list(filter, 'newest first')
      expect(found.find(({ table }) => table === 'cost_tracking')?.index).toMatch(/^idx_cost_tracking_/)
    }
  })
})

describe('the rollup', () => {
  const rollups = new CostRollupRepository(recorded.database)

  it('finds tenants by one descent each, whatever they have in the tail', async () => {
    const [statement] = await recorded.during(() => rollups.listTenants({ after: null, limit: 500 }))
    const found = await scansOf(database, statement!, 'once')
    expect(found.map(({ index }) => index)).toEqual(found.map(() => 'cost_tail_pkey'))
    expect(rowsOf(found, 'cost_tail')).toBeLessThanOrEqual(TENANTS)
    expect((await scansOf(database, statement!, 'ever')).map(({ index }) => index)).toEqual(
      found.map(() => 'cost_tail_pkey'),
    )
  })

  it('takes a batch by the key, and adds it to the sums by theirs', async () => {
    const tx = recorded.tx({ tenantId })
    const query = async (statement: Statement) => {
      const rows = await tx.query(statement)
      return statement.name === 'cost_rollup_turn' ? [{ isOurs: true }] : rows
    }
    const ours = { query } as unknown as Tx
    const workers = { transaction: (_scope: object, work: (tx: Tx) => Promise<number>) => work(ours) }
    const inTurn = new CostRollupRepository({ workers } as unknown as Database)
    const [, statement] = await recorded.during(() => inTurn.rollUp({ tenantId, limit: 100 }))
    for (const mode of ['once', 'ever'] as const) {
      const found = await scansOf(database, statement!, mode)
      expect(found.filter(({ table }) => table !== 'taken').map(({ index }) => index)).toEqual([
        'cost_tail_pkey',
        'cost_tail_pkey',
      ])
    }
  })
})
