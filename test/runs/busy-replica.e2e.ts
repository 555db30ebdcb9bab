import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

/** Two looks of the sweep. */
const TWO_SWEEPS_MS = 4500
const SHUTDOWN_LIMIT_MS = 4000

jest.setTimeout(40_000)

describe('a replica with one slot', () => {
  let simulator: ModelSimulator
  let database: TestDatabase

  beforeAll(async () => {
    simulator = await ModelSimulator.start()
    database = await createTestDatabase()
  })
  afterEach(() => simulator.reset())
  afterAll(async () => {
    await simulator.stop()
    await database[Symbol.asyncDispose]()
  })

  const start = () =>
    TestApp.start({
      database,
      env: { OPENAI_BASE_URL: simulator.baseUrl, DEFAULT_MODEL: 'openai/gpt-4o-mini', RUN_CONCURRENCY: '1' },
    })
  const sql = (text: string) => withClient(database.url, async (client) => (await client.query(text)).rows)
  const startRuns = async (user: TestUser, count: number): Promise<string[]> => {
    const answers = await Promise.all(
      Array.from({ length: count }, () => user.run({ task: 'Take long.' }, { prefer: 'respond-async' })),
    )
    return answers.map((response) => response.json().id)
  }

  it('stops in time though runs wait for its slot, and hands all of them over as if never taken', async () => {
    simulator.set({ hang: 'before-headers' })
    const app = await start()
    await startRuns(await TestUser.register(app), 3)
    await simulator.received(1)
    const stoppedAt = performance.now()
    await app[Symbol.asyncDispose]()
    expect(performance.now() - stoppedAt).toBeLessThan(SHUTDOWN_LIMIT_MS)
    // The one that had begun goes on where it is; the others were never taken.
    const rows = await sql(
      `SELECT status, attempt, started_at IS NOT NULL AS has_begun, queued_since IS NOT NULL AS is_queued, lease_expires_at
         FROM runs ORDER BY attempt`,
    )
    const queued = { is_queued: true, lease_expires_at: null }
    expect(rows).toEqual([
      { status: 'pending', attempt: 0, has_begun: false, ...queued },
      { status: 'pending', attempt: 0, has_begun: false, ...queued },
      { status: 'running', attempt: 1, has_begun: true, ...queued },
    ])

    simulator.reset()
    await using next = await start()
    await expectAllCompleted(next)
    // The hand-over has cost no attempt.
    expect(await sql('SELECT DISTINCT attempt FROM runs')).toEqual([{ attempt: 1 }])
  })

  it('does not take up its own run anew when the lease ran out while the database was away', async () => {
    await using app = await start()
    simulator.set({ latencyMs: TWO_SWEEPS_MS })
    const before = simulator.totals.requests
    const [id] = await startRuns(await TestUser.register(app), 1)
    await simulator.received(before + 1)
    await sql(`UPDATE runs SET lease_expires_at = now() - interval '1 minute' WHERE id = '${id}'`)
    await expectAllCompleted(app)
    expect(simulator.totals.requests).toBe(before + 1)
    expect(await sql(`SELECT attempt FROM runs WHERE id = '${id}'`)).toEqual([{ attempt: 1 }])
  })

  async function expectAllCompleted(app: TestApp): Promise<void> {
    const deadline = Date.now() + 20_000
    while (Date.now() < deadline) {
      const left = await app.sql(`SELECT id FROM runs WHERE status IN ('pending', 'running')`)
      if (left.length === 0) break
      await sleep(50)
    }
    expect(await app.sql(`SELECT DISTINCT status FROM runs`)).toEqual([{ status: 'completed' }])
  }
})
