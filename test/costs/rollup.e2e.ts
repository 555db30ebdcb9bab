import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import { CostRollup, ROWS_PER_BATCH } from '../../src/modules/costs/rollups/cost-rollup.job.js'
import { CostRollupRepository } from '../../src/modules/costs/rollups/cost-rollup.repository.js'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { plantEntries, plantRun } from './cost-rows.js'

let app: TestApp
let replica: TestApp
let user: TestUser
let runId: string

beforeAll(async () => {
  app = await TestApp.start()
  replica = await TestApp.start({ database: app.database })
  // In these tests the job passes when it is told to.
  await Promise.all([app, replica].map(({ nest }) => nest.get(CostRollup).beforeApplicationShutdown()))
})
beforeEach(async () => {
  user = await TestUser.register(app)
  runId = await plantRun(app, user.tenantId)
})
afterAll(async () => {
  await replica[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

const rollups = (on = app): CostRollupRepository => on.nest.get(CostRollupRepository)
const rollUp = (limit: number, on = app): Promise<number> => rollups(on).rollUp({ tenantId: user.tenantId, limit })

async function plant(count: number, { tenantId } = user): Promise<void> {
  const run = { tenantId, runId: tenantId === user.tenantId ? runId : await plantRun(app, tenantId) }
  const entries = Array.from({ length: count }, (_, index) => ({
    createdAt: new Date(Date.UTC(2026, 2, 1, index % 3, 30)),
    agent: `agent-${index % 2}`,
    inputTokens: index,
    costUsd: index % 5 === 0 ? null : '0.000000000000000001',
  }))
  await plantEntries(app, run, entries)
}

/** What there is of a tenant, in the entries and in each of the sums with the tail. */
async function sums({ tenantId } = user): Promise<{ raw: unknown; hourly: unknown; detail: unknown; inTail: number }> {
  const columns = 'sum(executions)::int, sum(unpriced)::int, sum(input_tokens)::int, trim_scale(sum(cost_usd))::text'
  const withTail = (table: string) =>
    `(SELECT row(${columns})::text FROM (SELECT executions, unpriced, input_tokens, cost_usd FROM ${table} WHERE tenant_id = $1
       UNION ALL SELECT executions, unpriced, input_tokens, cost_usd FROM cost_tail WHERE tenant_id = $1) AS parts)`
  const [row] = await app.sql(
    `SELECT (SELECT row(count(*)::int, count(*) FILTER (WHERE cost_usd IS NULL)::int, sum(input_tokens)::int,
                    trim_scale(sum(cost_usd))::text)::text FROM cost_tracking WHERE tenant_id = $1) AS raw,
            ${withTail('cost_hourly')} AS hourly, ${withTail('cost_hourly_detail')} AS detail,
            (SELECT count(*)::int FROM cost_tail WHERE tenant_id = $1) AS "inTail"`,
    [tenantId],
  )
  return row as Awaited<ReturnType<typeof sums>>
}

async function expectExact(of = user): Promise<void> {
  const { raw, hourly, detail } = await sums(of)
  expect({ hourly, detail }).toEqual({ hourly: raw, detail: raw })
}

describe('the rollup', () => {
  it('moves a batch at a time, oldest first, into one sum an hour, agent and model', async () => {
    await plant(20)
    expect(await rollUp(15)).toBe(15)
    expect((await sums()).inTail).toBe(5)
    await expectExact()
    expect(await rollUp(15)).toBe(5)
    expect(await rollUp(15)).toBe(0)
    await expectExact()
    const [{ count }] = (await app.sql('SELECT count(*)::int FROM cost_hourly WHERE tenant_id = $1', [
      user.tenantId,
    ])) as [{ count: number }]
    expect(count).toBe(6)
  })

  it('keeps one row for what is told apart by nothing: no project, no user, no key', async () => {
    await plant(12)
    while ((await rollUp(1)) > 0);
    const rows = await app.sql('SELECT executions::int FROM cost_hourly_detail WHERE tenant_id = $1', [user.tenantId])
    expect(rows).toEqual(Array.from({ length: 6 }, () => ({ executions: 2 })))
  })

  it('loses and doubles nothing when it dies between the tail and the sums, or before its commit', async () => {
    await plant(20)
    await rollUp(5)
    const { inTail } = await sums()
    await app.sql(`ALTER TABLE cost_hourly_detail ADD CONSTRAINT broken CHECK (executions < 0) NOT VALID`)
    await expect(rollUp(10)).rejects.toThrow('broken')
    await app.sql(`ALTER TABLE cost_hourly_detail DROP CONSTRAINT broken`)
    expect((await sums()).inTail).toBe(inTail)
    // Killed while it waits for a row of the sums, all else done.
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT FROM cost_hourly_detail WHERE tenant_id = $1 FOR UPDATE', [user.tenantId])
      const cut = rollUp(10).catch((error: unknown) => error)
      const [waiting] = await eventually(
        () =>
          app.sql(`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH taken%'
                      AND datname = current_database()`),
        (rows) => rows.length === 1,
      )
      await app.sql('SELECT pg_terminate_backend($1)', [waiting?.['pid']])
      expect(await cut).toBeInstanceOf(Error)
      await client.query('ROLLBACK')
    })
    expect((await sums()).inTail).toBe(inTail)
    await expectExact()
    await rollUp(100)
    await expectExact()
  })

  it('is done by several replicas at once, and each row by one of them', async () => {
    await plant(300)
    const drain = async (on: TestApp): Promise<number> => {
      let moved = 0
      for (let idle = 0; idle < 5;) {
        const count = await rollUp(7, on)
        moved += count
        idle = count === 0 ? idle + 1 : 0
      }
      return moved
    }
    const moved = await Promise.all([drain(app), drain(replica), drain(app)])
    expect(moved.reduce((sum, count) => sum + count)).toBe(300)
    expect((await sums()).inTail).toBe(0)
    await expectExact()
  })

  it('leaves a tenant to the replica that is at it', async () => {
    await plant(5)
    await app.nest.get(Database).workers.transaction({ tenantId: user.tenantId }, async (tx) => {
      await tx.query({
        text: `SELECT pg_advisory_xact_lock(hashtextextended('costs.rollup/' || $1, 0))`,
        values: [user.tenantId],
      })
      expect(await rollUp(5, replica)).toBe(0)
    })
    expect(await rollUp(5, replica)).toBe(5)
  })

  it('finds every tenant that has something in the tail, page by page, and nobody else', async () => {
    const others = await Promise.all(Array.from({ length: 3 }, () => TestUser.register(app)))
    for (const one of others.slice(1)) await plant(4, one)
    await plant(2)
    const found: string[] = []
    for (let after: string | null = null; ;) {
      const page: string[] = await rollups().listTenants({ after, limit: 1 })
      if (page.length === 0) break
      found.push(...page)
      after = page.at(-1)!
    }
    expect(found).toEqual([...others.slice(1), user].map(({ tenantId }) => tenantId).toSorted())
  })
})

describe('a pass', () => {
  const pass = async (): Promise<void> => {
    // Each app's own job is stopped: this one is not.
    const job = new CostRollup(rollups(), { setContext() {}, warn() {} } as never)
    await job.run()
  }

  it('empties the tails of all tenants, however much one of them has', async () => {
    const other = await TestUser.register(app)
    await plant(ROWS_PER_BATCH + 1)
    await plant(3, other)
    await pass()
    expect([(await sums()).inTail, (await sums(other)).inTail]).toEqual([0, 0])
    await expectExact()
    await expectExact(other)
  })

  it('goes on with the others when one tenant cannot be summed up, which is made up for later', async () => {
    const other = await TestUser.register(app)
    await plant(3)
    await plant(3, other)
    await app.sql(`ALTER TABLE cost_hourly ADD CONSTRAINT broken CHECK (tenant_id <> '${user.tenantId}') NOT VALID`)
    await pass()
    expect([(await sums()).inTail, (await sums(other)).inTail]).toEqual([3, 0])
    await app.sql('ALTER TABLE cost_hourly DROP CONSTRAINT broken')
    await pass()
    expect((await sums()).inTail).toBe(0)
    await expectExact()
  })
})

it('runs by itself', async () => {
  await using own = await TestApp.start({ database: app.database })
  await plant(3)
  expect(own.nest.get(CostRollup)).toBeDefined()
  await eventually(sums, ({ inTail }) => inTail === 0)
  await expectExact()
})
