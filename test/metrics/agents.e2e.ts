import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { DAY_MS, HOUR_MS, plantRuns, plantSaving, type PlantedRun, randomRuns, sumUp } from './planted-runs.js'
import { costOf, countOf, durationsOf, entriesOf, isWithin, meanOf, percentileOf, unpricedOf } from './recomputed.js'

const URL = '/v1/metrics/agents'
const UNCACHED = { 'cache-control': 'no-store' }
/** Long ago, so that no default reaches them. */
const UNTIL = new Date('2026-03-20T09:40:00Z')
const MODEL = 'openai/gpt-5-mini'

let app: TestApp
let user: TestUser
let runs: PlantedRun[]

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  runs = randomRuns({ count: 600, seed: 11, until: UNTIL, withinMs: 6 * DAY_MS })
  await plantRuns(app, user.tenantId, runs)
  await sumUp(app, user.tenantId, new Date(UNTIL.getTime() - 3 * DAY_MS))
  const saving = { agent: 'developer', model: MODEL, hits: 2, savedUsd: '0.0021' }
  await plantSaving(app, user.tenantId, { ...saving, at: new Date(UNTIL.getTime() - 4 * DAY_MS) })
  await sumUp(app, user.tenantId, new Date(UNTIL.getTime() - 3 * DAY_MS))
  await plantSaving(app, user.tenantId, { ...saving, at: new Date(UNTIL.getTime() - DAY_MS) })
  await plantSaving(app, user.tenantId, { ...saving, agent: 'only-kept', at: new Date(UNTIL.getTime() - DAY_MS) })
  const other = await TestUser.register(app)
  await plantRuns(app, other.tenantId, randomRuns({ count: 50, seed: 12, until: UNTIL, withinMs: 6 * DAY_MS }))
})
afterAll(async () => app?.[Symbol.asyncDispose]())

function ask(query: Record<string, string>, of = user) {
  return of.request({ url: URL, query, headers: UNCACHED })
}

function expectedOf(agent: string, from: Date, to: Date) {
  const own = runs.filter((run) => run.agent === agent && isWithin(run.createdAt, from, to))
  const calls = entriesOf(runs).filter((entry) => entry.agent === agent && isWithin(entry.createdAt, from, to))
  const [completed, failed] = [countOf(own, 'completed'), countOf(own, 'failed')]
  const models = [...new Set(calls.map(({ model }) => model))].map((model) => {
    const its = calls.filter((call) => call.model === model)
    return {
      model,
      executions: its.length,
      costUsd: costOf(its),
      unpriced: unpricedOf(its),
      inputTokens: its.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
      outputTokens: its.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
    }
  })
  return {
    agent,
    runs: own.length,
    completed,
    failed,
    cancelled: countOf(own, 'cancelled'),
    successRate: completed + failed === 0 ? null : completed / (completed + failed),
    avgDurationMs: meanOf(durationsOf(own)),
    p50DurationMs: percentileOf(durationsOf(own), 0.5),
    p95DurationMs: percentileOf(durationsOf(own), 0.95),
    costUsd: costOf(calls),
    unpriced: unpricedOf(calls),
    models: models.toSorted((a, b) => b.executions - a.executions || (a.model < b.model ? -1 : 1)),
  }
}

describe("agents' figures", () => {
  it.each([
    ['whole hours', '2026-03-15T00:00:00Z', '2026-03-19T12:00:00Z', undefined],
    [
      'a time that begins and ends within an hour',
      '2026-03-16T10:20:00Z',
      '2026-03-19T08:30:00.001Z',
      {
        from: '2026-03-16T10:00:00.000Z',
        to: '2026-03-19T09:00:00.000Z',
      },
    ],
    [
      'one hour, with an offset',
      '2026-03-19T05:30:00+05:30',
      '2026-03-19T06:30:00+05:30',
      {
        from: '2026-03-19T00:00:00.000Z',
        to: '2026-03-19T01:00:00.000Z',
      },
    ],
  ])('of %s are what a plain recomputation gives', async (_what, from, to, widened) => {
    const answer = (await ask({ from, to })).json()
    const range = widened ?? { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
    expect({ from: answer.from, to: answer.to }).toEqual(range)
    const shown = answer.data.filter(({ agent }: { agent: string }) => agent !== 'only-kept')
    expect(shown.length).toBeGreaterThan(0)
    const agents = shown.map(({ agent }: { agent: string }) => agent)
    const present = runs.filter((run) => isWithin(run.createdAt, new Date(range.from), new Date(range.to)))
    expect(agents).toEqual(expect.arrayContaining([...new Set(present.map(({ agent }) => agent))]))
    for (const figures of shown) {
      const expected = expectedOf(figures.agent, new Date(range.from), new Date(range.to))
      expect(figures).toEqual({ ...expected, cache: figures.cache })
    }
    const counts = answer.data.map((figures: { runs: number }) => figures.runs)
    expect(counts).toEqual(counts.toSorted((a: number, b: number) => b - a))
  })

  it('hold what kept answers have saved, summed up or not yet', async () => {
    const { data } = (await ask({ from: '2026-03-14T00:00:00Z', to: '2026-03-21T00:00:00Z' })).json()
    const savedBy = (name: string) => data.find(({ agent }: { agent: string }) => agent === name)
    expect(savedBy('developer').cache).toEqual({ hits: 4, savedUsd: '0.0042' })
    expect(savedBy('devops').cache).toEqual({ hits: 0, savedUsd: '0' })
    // It was never called, and has no runs of its own.
    expect(savedBy('only-kept')).toMatchObject({
      runs: 0,
      models: [],
      successRate: null,
      cache: { hits: 2, savedUsd: '0.0021' },
    })
  })

  it('are those of the last seven days where no time is named', async () => {
    const someone = await TestUser.register(app)
    const now = Date.now()
    const [run] = randomRuns({ count: 1, seed: 1, until: new Date(), withinMs: 1 })
    const at = (agoMs: number) => ({ ...run!, entry: null, createdAt: new Date(now - agoMs) })
    const ids = randomRuns({ count: 2, seed: 2, until: new Date(), withinMs: 1 }).map(({ id }) => id)
    await plantRuns(app, someone.tenantId, [
      { ...at(7 * DAY_MS - 2 * HOUR_MS), id: ids[0]! },
      { ...at(7 * DAY_MS + 2 * HOUR_MS), id: ids[1]! },
    ])
    const { from, to, data } = (await ask({}, someone)).json()
    expect(data.map((figures: { runs: number }) => figures.runs)).toEqual([1])
    expect(Date.parse(to) - Date.parse(from)).toBe(7 * DAY_MS)
  })

  it('are asked for in one statement, and kept', async () => {
    const query = { from: '2026-03-15T00:00:00Z', to: '2026-03-16T00:00:00Z' }
    const asked = await statementsOf(() => ask(query))
    expect(asked.filter((text) => !text.includes('set_config'))).toHaveLength(1)
    const cached = async () => (await user.request({ url: URL, query })).headers['x-cache']
    expect([await cached(), await cached()]).toEqual(['MISS', 'HIT'])
    expect((await user.request({ url: URL, query: { ...query, to: '2026-03-17T00:00:00Z' } })).headers['x-cache']).toBe(
      'MISS',
    )
  })

  it.each([
    ['ends before it begins', { from: '2026-03-16T00:00:00Z', to: '2026-03-15T00:00:00Z' }, '/from'],
    ['is longer than 92 days', { from: '2026-01-01T00:00:00Z', to: '2026-04-03T00:00:01Z' }, '/from'],
    ['is no time', { from: 'yesterday' }, '/from'],
    ['is a year that the answer could not name', { to: '9999-12-31T23:59:59-12:00' }, '/to'],
    ['is named otherwise', { since: '2026-03-16T00:00:00Z' }, '/since'],
  ])('are refused for a time that %s', async (_what, query, pointer) => {
    const response = await ask(query)
    const problem = expectProblem(response, { status: 400, code: 'validation_failed' })
    expect(problem).toMatchObject({ errors: [{ pointer }] })
  })
})
