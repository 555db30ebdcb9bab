import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Database } from '#platform/database/database.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { DAY_MS, plantRuns, type PlantedRun, randomRuns } from './planted-runs.js'
import { countOf, durationsOf, meanOf, percentileOf } from './recomputed.js'

let app: TestApp
let user: TestUser
let runs: PlantedRun[]

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  const until = new Date()
  // The last of them are old enough to be of no last day by then.
  runs = randomRuns({ count: 300, seed: 31, until, withinMs: 23 * 3_600_000 })
  await plantRuns(app, user.tenantId, runs)
  const older = randomRuns({ count: 50, seed: 32, until: new Date(until.getTime() - DAY_MS), withinMs: DAY_MS })
  const isEnded = ({ finishedAt }: PlantedRun) => finishedAt !== null
  await plantRuns(app, user.tenantId, older.filter(isEnded))
  await plantRuns(
    app,
    (await TestUser.register(app)).tenantId,
    randomRuns({ count: 40, seed: 33, until, withinMs: DAY_MS / 2 }),
  )
})
afterAll(async () => app?.[Symbol.asyncDispose]())

/** As the app sees it, in one tenant's scope and with no condition at all. */
function read(view: string, tenantId = user.tenantId): Promise<Record<string, unknown>[]> {
  return app.nest.get(Database).read({ tenantId }, { text: `SELECT * FROM ${view}` })
}

function rounded(value: unknown): number | null {
  return value === null ? null : Math.round(Number(value))
}

describe('whoever asks a view', () => {
  it('is told of each of his agents by v_agent_performance_metrics', async () => {
    const rows = await read('v_agent_performance_metrics')
    expect(new Set(rows.map(({ agent }) => agent))).toEqual(new Set(runs.map(({ agent }) => agent)))
    for (const row of rows) {
      const own = runs.filter(({ agent }) => agent === row['agent'])
      expect(row).toMatchObject({
        tenant_id: user.tenantId,
        runs_24h: String(own.length),
        completed_24h: String(countOf(own, 'completed')),
        failed_24h: String(countOf(own, 'failed')),
        cancelled_24h: String(countOf(own, 'cancelled')),
      })
      expect(rounded(row['avg_duration_ms_24h'])).toBe(meanOf(durationsOf(own)))
      expect(rounded(row['p50_duration_ms_24h'])).toBe(percentileOf(durationsOf(own), 0.5))
      expect(rounded(row['p95_duration_ms_24h'])).toBe(percentileOf(durationsOf(own), 0.95))
    }
  })

  it('is told of each status by v_run_status_distribution_24h', async () => {
    const rows = await read('v_run_status_distribution_24h')
    expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(runs.map(({ status }) => status)))
    for (const { status, runs: count, percentage } of rows) {
      expect(Number(count)).toBe(countOf(runs, String(status)))
      expect(Number(percentage)).toBe(Math.round((10_000 * Number(count)) / runs.length) / 100)
    }
  })

  it('is told of his tenant by v_run_metrics_summary, and of no other', async () => {
    const rows = await read('v_run_metrics_summary')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      tenant_id: user.tenantId,
      queued: String(countOf(runs, 'pending')),
      running: String(countOf(runs, 'running')),
      waiting_approval: String(countOf(runs, 'waiting_approval')),
      runs_24h: String(runs.length),
      completed_24h: String(countOf(runs, 'completed')),
      failed_24h: String(countOf(runs, 'failed')),
      cancelled_24h: String(countOf(runs, 'cancelled')),
    })
  })

  it('is told nothing without a tenant', async () => {
    const views = [
      'v_run_metrics_summary',
      'v_run_status_distribution_24h',
      'v_agent_performance_metrics',
      'v_cost_summary_hourly',
    ]
    for (const view of views) {
      expect([view, await app.nest.get(Database).read({}, { text: `SELECT * FROM ${view}` })]).toEqual([view, []])
    }
  })
})
