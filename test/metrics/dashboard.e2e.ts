import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Temporal } from 'temporal-polyfill'
import { newId } from '#kernel/ids.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { createAgent, deleteAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { DAY_MS, HOUR_MS, plantRuns, type PlantedRun, randomRuns, sumUp } from './planted-runs.js'
import { costOf, countOf, durationsOf, entriesOf, isWithin, meanOf, percentileOf, unpricedOf } from './recomputed.js'

const URL = '/v1/metrics/dashboard'
const BUILT_IN_AGENTS = 7
const UNCACHED = { 'cache-control': 'no-store' }
const KOLKATA = 'Asia/Kolkata'

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
afterAll(async () => app?.[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await TestUser.register(app)
})

async function ask(of: TestUser = user) {
  const response = await of.request({ url: URL, headers: UNCACHED })
  expect(response.statusCode).toBe(200)
  return response.json()
}

function startOf(period: 'day' | 'month', zone: string): Date {
  const now = Temporal.Now.zonedDateTimeISO(zone)
  const day = period === 'day' ? now : now.with({ day: 1 })
  return new Date(day.startOfDay().epochMilliseconds)
}

/** What `work` gives where no midnight was in between: else what it compares is of two days. */
async function withinOneDay<T>(zone: string, work: () => Promise<T>): Promise<T> {
  const day = startOf('day', zone).getTime()
  const result = await work()
  return startOf('day', zone).getTime() === day ? result : withinOneDay(zone, work)
}

/** None so near to where the last 24 hours begin that it would be among them for one of us and not for the other. */
function awayFromYesterday(runs: readonly PlantedRun[], now: Date): PlantedRun[] {
  return runs.filter(({ createdAt }) => Math.abs(now.getTime() - DAY_MS - createdAt.getTime()) > 120_000)
}

async function setZone(timezone: string): Promise<void> {
  await app.sql(
    `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, $2, 'allow', now())`,
    [user.tenantId, timezone],
  )
}

/** At once, and by itself. */
function ended(run: Pick<PlantedRun, 'agent' | 'status' | 'createdAt' | 'entry'>): PlantedRun {
  return { ...run, id: newId(), cache: 'off', startedAt: run.createdAt, finishedAt: run.createdAt }
}

describe('the dashboard', () => {
  it('of a new tenant is all zeros, and null where there is nothing to take a mean of', async () => {
    expect(await ask()).toEqual({
      projects: { active: 0, total: 0 },
      runs: { today: 0, queued: 0, running: 0, last24h: 0, avgDurationMs: null, p95DurationMs: null, byStatus24h: [] },
      agents: { healthy: BUILT_IN_AGENTS, total: BUILT_IN_AGENTS },
      costs: { todayUsd: '0', todayUnpriced: 0, monthUsd: '0', monthUnpriced: 0 },
      cacheHitRate: null,
    })
  })

  it.each([
    ['UTC', 1],
    [KOLKATA, 2],
    ['America/Los_Angeles', 3],
  ])('shows what a plain recomputation from the runs gives, in %s', async (zone, seed) => {
    await setZone(zone)
    const now = new Date()
    const recent = randomRuns({ count: 300, seed, until: now, withinMs: 2 * DAY_MS })
    const older = randomRuns({ count: 200, seed: seed + 100, until: now, withinMs: 40 * DAY_MS })
    const runs = awayFromYesterday([...recent, ...older], now)
    await plantRuns(app, user.tenantId, runs)
    await plantRuns(
      app,
      (await TestUser.register(app)).tenantId,
      randomRuns({ count: 50, seed, until: now, withinMs: DAY_MS }),
    )
    // Some in the sums, some not yet; the day's first hour is divided between the two.
    await sumUp(app, user.tenantId, new Date(startOf('day', zone).getTime() + 10 * 60_000))

    const { shown, expected } = await withinOneDay(zone, async () => {
      const [today, month] = [startOf('day', zone), startOf('month', zone)]
      const last24h = runs.filter(({ createdAt }) => isWithin(createdAt, new Date(now.getTime() - DAY_MS)))
      const asked = last24h.filter(({ cache, finishedAt }) => cache !== 'off' && finishedAt)
      const entries = entriesOf(runs)
      const [ofToday, ofMonth] = [today, month].map((start) =>
        entries.filter(({ createdAt }) => isWithin(createdAt, start)),
      )
      return {
        shown: await ask(),
        expected: {
          today: runs.filter(({ createdAt }) => isWithin(createdAt, today)).length,
          queued: countOf(runs, 'pending'),
          running: countOf(runs, 'running'),
          last24h: last24h.length,
          avgDurationMs: meanOf(durationsOf(last24h)),
          p95DurationMs: percentileOf(durationsOf(last24h), 0.95),
          shares: last24h,
          costs: {
            todayUsd: costOf(ofToday!),
            todayUnpriced: unpricedOf(ofToday!),
            monthUsd: costOf(ofMonth!),
            monthUnpriced: unpricedOf(ofMonth!),
          },
          cacheHitRate: asked.filter(({ cache }) => cache === 'hit').length / asked.length,
        },
      }
    })
    const { costs, cacheHitRate, shares, ...figures } = expected
    const { byStatus24h, ...counts } = shown.runs
    expect(counts).toEqual(figures)
    expect(shown.costs).toEqual(costs)
    expect(shown.cacheHitRate).toBeCloseTo(cacheHitRate, 10)
    expect(byStatus24h.map(({ count }: { count: number }) => count)).toEqual(
      byStatus24h.map(({ count }: { count: number }) => count).toSorted((a: number, b: number) => b - a),
    )
    for (const { status, count, percentage } of byStatus24h) {
      expect([status, count]).toEqual([status, countOf(shares, status)])
      expect(percentage).toBe(Math.round((10_000 * count) / shares.length) / 100)
    }
    const sum = byStatus24h.reduce((total: number, { percentage }: { percentage: number }) => total + percentage, 0)
    expect(Math.abs(sum - 100)).toBeLessThan(0.04)
  })

  it("begins a day on the tenant's clock: 18:30 UTC in Kolkata, to the millisecond", async () => {
    await setZone(KOLKATA)
    const { shown, expected } = await withinOneDay(KOLKATA, async () => {
      user = await TestUser.register(app)
      await setZone(KOLKATA)
      const [today, month] = [startOf('day', KOLKATA), startOf('month', KOLKATA)]
      expect(today.toISOString()).toMatch(/T18:30:00.000Z$/)
      const moments = [today, month].flatMap((start) =>
        [-HOUR_MS, -1, 0, 1].map((ms) => new Date(start.getTime() + ms)),
      )
      const runs = moments.map((createdAt, nth): PlantedRun => {
        const call = { agent: 'developer', model: 'openai/gpt-5-mini', inputTokens: 1, outputTokens: 1 }
        const entry = { ...call, createdAt, costUsd: nth % 4 === 3 ? null : `0.${'0'.repeat(nth)}1` }
        return ended({ agent: 'developer', status: 'completed', createdAt, entry })
      })
      await plantRuns(app, user.tenantId, runs)
      await sumUp(app, user.tenantId, new Date())
      const since = (start: Date) => runs.filter(({ createdAt }) => isWithin(createdAt, start))
      return {
        shown: await ask(),
        expected: {
          today: since(today).length,
          todayUsd: costOf(entriesOf(since(today))),
          todayUnpriced: unpricedOf(entriesOf(since(today))),
          monthUsd: costOf(entriesOf(since(month))),
          monthUnpriced: unpricedOf(entriesOf(since(month))),
        },
      }
    })
    expect({ today: shown.runs.today, ...shown.costs }).toEqual(expected)
  })

  it('counts projects that are not deleted, and those of them that are not archived', async () => {
    await app.sql(
      `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at, archived_at, deleted_at)
       SELECT $1, gen_random_uuid(), 'p-' || n, 'x', now(), now(), CASE WHEN n > 2 THEN now() END, CASE WHEN n > 5 THEN now() END
         FROM generate_series(1, 6) AS n`,
      [user.tenantId],
    )
    expect((await ask()).projects).toEqual({ active: 2, total: 5 })
  })

  it('does not change by what another tenant does', async () => {
    const before = await ask()
    const other = await TestUser.register(app)
    await plantRuns(app, other.tenantId, randomRuns({ count: 20, seed: 1, until: new Date(), withinMs: HOUR_MS }))
    expect(await ask()).toEqual(before)
    expect((await ask(other)).runs.last24h).toBe(20)
  })
})

describe('an agent', () => {
  async function plantEndings(agent: string, endings: Record<string, number>, agoMs = HOUR_MS): Promise<void> {
    const createdAt = new Date(Date.now() - agoMs)
    const runs = Object.entries(endings).flatMap(([status, count]) =>
      Array.from({ length: count }, () => ended({ agent, status, createdAt, entry: null })),
    )
    await plantRuns(app, user.tenantId, runs)
  }

  it('is healthy while not more than half of its runs failed', async () => {
    await plantEndings('developer', { failed: 2, completed: 1, cancelled: 1 })
    expect((await ask()).agents).toEqual({ healthy: BUILT_IN_AGENTS, total: BUILT_IN_AGENTS })
    await plantEndings('developer', { failed: 1 })
    expect((await ask()).agents).toEqual({ healthy: BUILT_IN_AGENTS - 1, total: BUILT_IN_AGENTS })
  })

  it('is judged by its last 24 hours', async () => {
    await plantEndings('developer', { failed: 3 }, DAY_MS + HOUR_MS)
    expect((await ask()).agents.healthy).toBe(BUILT_IN_AGENTS)
  })

  it("of the tenant's own counts while it lives", async () => {
    await createAgent(user)
    await plantEndings('translator', { failed: 1 })
    expect((await ask()).agents).toEqual({ healthy: BUILT_IN_AGENTS, total: BUILT_IN_AGENTS + 1 })
    await deleteAgent(user)
    expect((await ask()).agents).toEqual({ healthy: BUILT_IN_AGENTS, total: BUILT_IN_AGENTS })
  })
})

describe('an answer', () => {
  const cached = async () => (await user.request({ url: URL })).headers['x-cache']

  it('takes one statement, and none where it is kept', async () => {
    await ask()
    const asked = await statementsOf(ask)
    expect(asked.filter((text) => !text.includes('set_config'))).toHaveLength(1)
    await cached()
    expect(await statementsOf(cached)).toEqual([])
  })

  it('is made once for all who ask at the same time', async () => {
    await ask()
    const asked = await statementsOf(() => Promise.all(Array.from({ length: 10 }, cached)))
    expect(asked.filter((text) => !text.includes('set_config'))).toHaveLength(1)
  })

  it('is a MISS, then a HIT, until its tag is invalidated', async () => {
    expect([await cached(), await cached()]).toEqual(['MISS', 'HIT'])
    await app.nest.get(ResponseCache).invalidate([user.tenantId], ['metrics'])
    expect([await cached(), await cached()]).toEqual(['MISS', 'HIT'])
  })

  it('is made anew for an agent that was made', async () => {
    expect([await cached(), await cached()]).toEqual(['MISS', 'HIT'])
    await createAgent(user)
    const response = await user.request({ url: URL })
    expect([response.headers['x-cache'], response.json().agents.total]).toEqual(['MISS', BUILT_IN_AGENTS + 1])
  })

  it('is not for a key without the permission', async () => {
    const without = await TestApiKey.create(app, user, { scopes: ['runs:read'] })
    expectProblem(await without.request({ url: URL }), { status: 403, code: 'forbidden' })
    const having = await TestApiKey.create(app, user, { scopes: ['metrics:read'] })
    expect((await having.request({ url: URL })).statusCode).toBe(200)
  })
})
