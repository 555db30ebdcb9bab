import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { DAY_MS, HOUR_MS, plantRuns, type PlantedRun, randomRuns, sumUp } from './planted-runs.js'
import { costOf, countOf, durationsOf, entriesOf, isWithin, meanOf, unpricedOf } from './recomputed.js'

const URL = '/v1/metrics/timeline'
const UNCACHED = { 'cache-control': 'no-store' }
const UNTIL = new Date('2026-03-30T09:40:00Z')

let database: TestDatabase
let app: TestApp
let user: TestUser
let runs: PlantedRun[]

/** On the database's own clock there is a day of 23 hours among them. */
beforeAll(async () => {
  database = await createTestDatabase()
  const name = new globalThis.URL(database.url).pathname.slice(1)
  await withClient(database.url, (client) => client.query(`ALTER DATABASE ${name} SET timezone = 'Europe/Berlin'`))
  app = await TestApp.start({ database })
  user = await TestUser.register(app)
  runs = randomRuns({ count: 400, seed: 21, until: UNTIL, withinMs: 3 * DAY_MS })
  await plantRuns(app, user.tenantId, runs)
  await sumUp(app, user.tenantId, new Date(UNTIL.getTime() - DAY_MS))
  const other = await TestUser.register(app)
  await plantRuns(app, other.tenantId, randomRuns({ count: 50, seed: 22, until: UNTIL, withinMs: 3 * DAY_MS }))
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

function ask(query: Record<string, string>, of = user) {
  return of.request({ url: URL, query, headers: UNCACHED })
}

function expectedPoint(start: Date, widthMs: number) {
  const end = new Date(start.getTime() + widthMs)
  const own = runs.filter(({ createdAt }) => isWithin(createdAt, start, end))
  const calls = entriesOf(runs).filter(({ createdAt }) => isWithin(createdAt, start, end))
  return {
    start: start.toISOString(),
    runs: own.length,
    completed: countOf(own, 'completed'),
    failed: countOf(own, 'failed'),
    cancelled: countOf(own, 'cancelled'),
    avgDurationMs: meanOf(durationsOf(own)),
    costUsd: costOf(calls),
    unpriced: unpricedOf(calls),
    tokens: calls.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0),
  }
}

describe('the timeline', () => {
  it.each([
    ['hour', '2026-03-26T00:00:00Z', '2026-03-31T00:00:00Z', HOUR_MS],
    ['day', '2026-03-20T00:00:00Z', '2026-04-02T00:00:00Z', DAY_MS],
    // Also where summer time begins on the database's clock.
    ['day', '2026-03-28T13:00:00+01:00', '2026-03-29T18:00:00+02:00', DAY_MS],
  ])('by the %s is what a plain recomputation gives, with no bucket left out', async (bucket, from, to, widthMs) => {
    const { data, bucket: shown } = (await ask({ bucket, from, to })).json()
    const first = Math.floor(Date.parse(from) / widthMs) * widthMs
    const starts = Array.from(
      { length: Math.ceil((Date.parse(to) - first) / widthMs) },
      (_, nth) => first + nth * widthMs,
    )
    expect(shown).toBe(bucket)
    expect(data).toEqual(starts.map((start) => expectedPoint(new Date(start), widthMs)))
    expect(data.some((point: { runs: number }) => point.runs > 0)).toBe(true)
  })

  it('ends now where no time is named: 24 hours, or 30 days', async () => {
    const someone = await TestUser.register(app)
    const hours = (await ask({}, someone)).json()
    const days = (await ask({ bucket: 'day' }, someone)).json()
    expect([hours.bucket, hours.data.length, days.data.length]).toEqual(['hour', 24, 30])
    const end = Date.parse(hours.data.at(-1).start) + HOUR_MS
    expect(Math.abs(end - Date.now())).toBeLessThanOrEqual(HOUR_MS)
    expect(hours.data[0]).toEqual({ ...expectedPoint(new Date(0), 1), start: hours.data[0].start })
  })

  it('is asked for in one statement, and kept', async () => {
    const query = { from: '2026-03-29T00:00:00Z', to: '2026-03-30T00:00:00Z' }
    const asked = await statementsOf(() => ask(query))
    expect(asked.filter((text) => !text.includes('set_config'))).toHaveLength(1)
    const cached = async () => (await user.request({ url: URL, query })).headers['x-cache']
    expect([await cached(), await cached()]).toEqual(['MISS', 'HIT'])
  })

  it.each([
    ['holds 751 hours', { from: '2026-03-01T00:00:00Z', to: '2026-04-01T07:00:00Z' }, '/from'],
    ['begins at the dawn of time', { bucket: 'day', from: '0001-01-01T00:00:00Z' }, '/from'],
    ['has buckets of a week', { bucket: 'week' }, '/bucket'],
    ['begins in the future', { from: '2999-01-01T00:00:00Z' }, '/from'],
  ])('is refused where it %s', async (_what, query, pointer) => {
    const problem = expectProblem(await ask(query), {
      status: 400,
      code: 'validation_failed',
    })
    expect(problem).toMatchObject({ errors: [{ pointer }] })
  })

  it('can be as long as 750 hours, and of the last year that there is', async () => {
    expect((await ask({ from: '2026-03-01T00:00:00Z', to: '2026-04-01T06:00:00Z' })).json().data).toHaveLength(750)
    const last = await ask({ bucket: 'day', from: '9998-12-31T00:00:00Z', to: '9998-12-31T23:59:59Z' })
    expect(last.json().data).toHaveLength(1)
  })
})
