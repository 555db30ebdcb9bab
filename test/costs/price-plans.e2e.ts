import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Usd } from '#kernel/usd.js'
import { newId } from '#kernel/ids.js'
import { ModelPricesRepository } from '../../src/modules/costs/prices/model-prices.repository.js'
import { toPrice } from '../../src/modules/costs/prices/price.js'
import { UnpricedEntriesRepository } from '../../src/modules/costs/rerating/unpriced-entries.repository.js'
import { RunCostsRepository } from '../../src/modules/runs/run-costs.repository.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { RecordedDatabase, type RecordedStatement } from '../support/recorded-database.js'
import { scansOf } from '../support/table-scans.js'

const TENANTS = 20
/** Half of them one tenant's, an entry each; two in three were delegated by the third. */
const RUNS = 30_000
const UNPRICED_EVERY = 20
const BATCH = 250
const PRICE = toPrice({ inputUsdPerMillion: Usd.parse('1'), outputUsdPerMillion: Usd.parse('1') })

let database: MigratedDatabase
let tenantId: string
let unpriced: { id: string; runId: string; createdAt: Date }[]
const recorded = new RecordedDatabase()

beforeAll(async () => {
  database = await MigratedDatabase.create()
  const { superuser } = database
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await superuser.query('SET session_replication_role = replica')
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  await superuser.query(
    `CREATE TEMP TABLE planted AS
     SELECT ($1::uuid[])[CASE WHEN n / 3 % 2 = 0 THEN 1 ELSE 1 + n / 3 % $2::integer END] AS tenant_id, n,
            uuid_at(now() - n * interval '1 s') AS id, now() - n * interval '1 s' AS at
       FROM generate_series(0, $3::integer - 1) AS n`,
    [tenants, TENANTS, RUNS],
  )
  await superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, parent_run_id, agent, agent_version, status, task, model, input, created_at)
     SELECT p.tenant_id, p.id, top.id, CASE WHEN p.id <> top.id THEN top.id END, 'developer', 1, 'completed', 'x', 'x/x', '{}', p.at
       FROM planted p JOIN planted top ON top.n = p.n / 3 * 3`,
  )
  await superuser.query(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens,
            reasoning_tokens, cost_usd, created_at, step)
     SELECT tenant_id, gen_random_uuid(), id, 'developer', 'x/x', 10, 0, 10, 0, CASE WHEN n % $1::integer > 0 THEN 1 END, at, 1 FROM planted`,
    [UNPRICED_EVERY],
  )
  await superuser.query(
    `INSERT INTO run_steps (tenant_id, run_id, position, kind, status, name, request, attempt, started_at, cost_usd)
     SELECT tenant_id, id, 1, 'model', 'completed', 'x/x', '{}', 1, at, CASE WHEN n % $1::integer > 0 THEN 1 END FROM planted`,
    [UNPRICED_EVERY],
  )
  await superuser.query(
    `INSERT INTO model_prices (tenant_id, id, model, input_usd_per_million, output_usd_per_million, effective_from, created_by, created_at)
     SELECT t, gen_random_uuid(), 'x/' || n % 50, 1, 1, now() - n * interval '1 h', t, now()
       FROM unnest($1::uuid[]) AS t, generate_series(1, 500) AS n`,
    [tenants],
  )
  await superuser.query('SET session_replication_role = DEFAULT')
  await superuser.query('ANALYZE')
  unpriced = await database.rows(
    `SELECT id, run_id AS "runId", created_at AS "createdAt" FROM cost_tracking
      WHERE tenant_id = $1 AND cost_usd IS NULL ORDER BY created_at, id LIMIT $2`,
    [tenantId, BATCH],
  )
})
afterAll(() => database?.[Symbol.asyncDispose]())

const tx = () => recorded.tx({ tenantId })

async function expectIndexes(work: () => Promise<unknown>, tables: Record<string, RegExp>, maxRows: number) {
  const statements = await recorded.during(work)
  expect(statements).not.toEqual([])
  await expectPlans(statements, tables, maxRows)
}

async function expectPlans(statements: readonly RecordedStatement[], tables: Record<string, RegExp>, maxRows: number) {
  for (const statement of statements) {
    for (const mode of ['once', 'ever'] as const) {
      for (const { table, index, rows } of await scansOf(database, statement, mode)) {
        expect({ mode, table, index, text: statement.text }).toMatchObject({
          index: expect.stringMatching(tables[table] ?? /_pkey$/),
        })
        expect({ table, tooMany: (rows ?? 0) > maxRows }).toEqual({ table, tooMany: false })
      }
    }
  }
}

it('entries without a price are found by an index that has no others, a batch at a time', async () => {
  const entries = new UnpricedEntriesRepository()
  const last = unpriced.at(-1)!
  const range = { from: new Date(0), to: new Date(), after: null }
  for (const place of [range, { from: null, to: null, after: last }]) {
    await expectIndexes(
      () => entries.list(tenantId, place, BATCH, tx()),
      { cost_tracking: /^idx_cost_tracking_unpriced$/ },
      BATCH,
    )
  }
})

it('entries get their price by their keys', async () => {
  const tokens = { inputTokens: 10, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 10, reasoningTokens: 0 }
  const rerated = unpriced.map((entry) => ({ ...entry, model: 'x/x', tokens, price: PRICE, costUsd: Usd.ZERO }))
  const write = () => new UnpricedEntriesRepository().setPrices(tenantId, rerated, tx())
  await expectIndexes(write, {}, BATCH)
})

it('the costs of runs and steps are added up by what was delegated, and by runs', async () => {
  const runIds = [...new Set(unpriced.map(({ runId }) => runId))]
  const indexes = { cost_tracking: /_tenant_run$/, runs: /_(pkey|tenant_parent)$/ }
  const said = await recorded.during(() => new RunCostsRepository().addUp(tenantId, runIds, tx()))
  // What is recorded finds nothing: as if it had found the runs themselves.
  const statements = said.map((statement) => Object.assign(statement, { values: [tenantId, runIds] }))
  expect(statements).toHaveLength(4)
  await expectPlans(statements, indexes, 10 * BATCH)
})

it('prices of a model are found by an index', async () => {
  const prices = new ModelPricesRepository(recorded.database)
  const key = { tenantId, model: 'x/7' }
  const indexes = { model_prices: /_tenant_model$/ }
  await expectIndexes(() => prices.listNewest(key, 100), indexes, 10)
  await expectIndexes(() => prices.findAt(key, new Date(), tx()), indexes, 1)
})
