import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { CostRollupRepository } from '../../src/modules/costs/rollups/cost-rollup.repository.js'
import type { CostSummary } from '../../src/modules/costs/reports/cost-summary.schemas.js'
import type { Run } from '../../src/modules/runs/runs.schemas.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { simulatorEnv } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { plantProject } from './cost-rows.js'

const QUESTION = { task: 'What time is it?', cache: 'use' }
const MS_PER_HOUR = 3_600_000

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: simulatorEnv(simulator) })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const run = async (payload: object): Promise<Run> => (await user.run(payload)).json()
const summaryOf = async (query: object = {}): Promise<CostSummary> =>
  (await user.request({ url: `/v1/costs/summary?${new URLSearchParams({ ...query }).toString()}` })).json()
const rollUp = (): Promise<number> => app.nest.get(CostRollupRepository).rollUp({ tenantId: user.tenantId, limit: 100 })

describe('what a kept answer saves', () => {
  it('is in the summary with the run it served, at once and when it is rolled up, and is no execution', async () => {
    await plantProject(app, { tenantId: user.tenantId, slug: 'web' })
    const first = await run(QUESTION)
    const second = await run({ ...QUESTION, project: 'web' })
    expect([first.cache, second.cache]).toEqual(['miss', 'hit'])
    // An hour counts where it begins.
    const from = new Date(Math.floor(Date.now() / MS_PER_HOUR) * MS_PER_HOUR - MS_PER_HOUR).toISOString()
    const look = async () => {
      const { totalCostUsd, executions, cacheHits, savedUsd, groups } = await summaryOf({
        from,
        groupBy: 'project,user,agent',
      })
      return { totals: { totalCostUsd, executions, cacheHits, savedUsd }, groups }
    }
    const seen = await look()
    expect(seen.totals).toEqual({ totalCostUsd: first.costUsd, executions: 1, cacheHits: 1, savedUsd: first.costUsd })
    const key = { user: user.userId, agent: 'developer' }
    expect(seen.groups).toEqual([
      expect.objectContaining({ key: { ...key, project: null }, costUsd: first.costUsd, executions: 1, cacheHits: 0 }),
      expect.objectContaining({
        key: { ...key, project: 'web' },
        costUsd: '0',
        executions: 0,
        cacheHits: 1,
        savedUsd: first.costUsd,
      }),
    ])
    await rollUp()
    expect(await look()).toEqual(seen)
  })

  it('of a model without a price is a hit that saves nothing anybody could name', async () => {
    const unpriced = { ...QUESTION, model: 'openai/gpt-3.5-turbo-16k' }
    await run(unpriced)
    expect((await run(unpriced)).cache).toBe('hit')
    expect(await summaryOf()).toMatchObject({ executions: 1, unpriced: 1, cacheHits: 1, savedUsd: '0' })
  })

  it('counts in the hour that it was saved in, and in no two ranges that meet', async () => {
    const { costUsd } = await run(QUESTION)
    await run(QUESTION)
    await app.sql(`UPDATE cost_tail SET created_at = '2026-03-01T10:40:00Z' WHERE tenant_id = $1 AND cache_hits = 1`, [
      user.tenantId,
    ])
    const savedIn = async (from: string, to: string): Promise<string> =>
      (await summaryOf({ from: `2026-03-01T${from}:00Z`, to: `2026-03-01T${to}:00Z` })).savedUsd
    const look = async (): Promise<string[]> => [
      await savedIn('09:30', '10:30'),
      await savedIn('10:30', '11:30'),
      await savedIn('10:00', '10:10'),
      await savedIn('10:35', '10:45'),
      await savedIn('08:00', '12:00'),
    ]
    const expected = [costUsd, '0', costUsd, '0', costUsd]
    expect(await look()).toEqual(expected)
    await rollUp()
    expect(await look()).toEqual(expected)
  })
})
