import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { newId } from '#kernel/ids.js'
import { Usd } from '#kernel/usd.js'
import { CostSummaryRepository } from '../../src/modules/costs/reports/cost-summary.repository.js'
import {
  type CostSummary,
  SUMMARY_KEYS,
  type SummaryKey,
} from '../../src/modules/costs/reports/cost-summary.schemas.js'
import { toHourParts } from '../../src/modules/costs/reports/hour-parts.js'
import { CostRollupRepository } from '../../src/modules/costs/rollups/cost-rollup.repository.js'
import { expectProblem } from '../support/problem.js'
import { RecordedDatabase } from '../support/recorded-database.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { type PlantedEntry, plantEntries, plantProject, plantRun } from './cost-rows.js'

const ENTRIES = 400
const QUESTIONS = 120
const HOURS = 60
const BEGIN = Date.UTC(2026, 2, 27, 12)
const MS_PER_HOUR = 3_600_000
const MS_PER_DAY = 24 * MS_PER_HOUR

let app: TestApp
let user: TestUser
let runId: string
let projects: { id: string; slug: string }[]
const users = [newId(), newId(), null]
const keys = [newId(), null]

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  runId = await plantRun(app, user.tenantId)
  const { tenantId } = user
  projects = [
    { id: await plantProject(app, { tenantId, slug: 'web' }), slug: 'web' },
    { id: await plantProject(app, { tenantId, slug: 'web', isDeleted: true }), slug: 'web' },
    { id: await plantProject(app, { tenantId, slug: 'shop', isDeleted: true }), slug: 'shop' },
  ]
})
afterAll(async () => app[Symbol.asyncDispose]())

const pick = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T

function anyEntry(createdAt = new Date(BEGIN + Math.floor(Math.random() * HOURS * MS_PER_HOUR))): PlantedEntry {
  const inputTokens = Math.floor(Math.random() * 10_000)
  return {
    createdAt,
    agent: pick(['developer', 'devops', 'designer']),
    model: pick(['openai/gpt-5-mini', 'anthropic/claude', 'ollama/llama']),
    projectId: pick([...projects.map(({ id }) => id), null]),
    userId: pick(users),
    apiKeyId: pick(keys),
    inputTokens,
    cachedInputTokens: Math.floor(inputTokens / 3),
    outputTokens: Math.floor(Math.random() * 1000),
    costUsd: pick([null, '0', `0.${String(Math.floor(Math.random() * 1e15)).padStart(18, '0')}`, '12.5000']),
  }
}

const rollUp = (limit: number, tenantId = user.tenantId): Promise<number> =>
  app.nest.get(CostRollupRepository).rollUp({ tenantId, limit })

async function summaryOf(query: Record<string, string>, by = user): Promise<CostSummary> {
  const response = await by.request({ url: `/v1/costs/summary?${new URLSearchParams(query).toString()}` })
  expect([response.statusCode, response.statusCode === 200 ? '' : response.body]).toEqual([200, ''])
  return response.json()
}

/** The same by the entries alone. */
const RAW_KEYS: Readonly<Record<SummaryKey, string>> = {
  agent: 'c.agent',
  model: 'c.model',
  project: 'p.slug',
  user: 'c.user_id',
  apiKey: 'c.api_key_id',
  day: `to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`,
  hour: `to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":00:00.000Z"')`,
}

/** Columns of the entries by the name of the filter. */
const FILTERED = {
  agent: RAW_KEYS.agent,
  model: RAW_KEYS.model,
  project: RAW_KEYS.project,
  user: RAW_KEYS.user,
  key: RAW_KEYS.apiKey,
}

interface Question {
  readonly from: Date
  readonly to: Date
  readonly groupBy: readonly SummaryKey[]
  readonly filter: Readonly<Partial<Record<keyof typeof FILTERED, string>>>
}

async function rawGroups({ from, to, groupBy, filter }: Question): Promise<object[]> {
  const wanted = Object.entries(filter) as [keyof typeof FILTERED, string][]
  const conditions = wanted.map(([key], index) => ` AND ${FILTERED[key]} = $${index + 4}`).join('')
  const rows = await app.sql(
    `SELECT ${groupBy.map((key) => `${RAW_KEYS[key]} AS "${key}", `).join('')} coalesce(sum(c.cost_usd), 0)::text AS "costUsd",
            sum(c.input_tokens)::float8 AS "inputTokens", sum(c.cached_input_tokens)::float8 AS "cachedInputTokens",
            sum(c.output_tokens)::float8 AS "outputTokens", count(*)::float8 AS executions,
            count(*) FILTER (WHERE c.cost_usd IS NULL)::float8 AS unpriced
       FROM cost_tracking c LEFT JOIN projects p ON p.tenant_id = c.tenant_id AND p.id = c.project_id
      WHERE c.tenant_id = $1 AND c.created_at >= $2 AND c.created_at < $3${conditions}
      ${groupBy.length > 0 ? `GROUP BY ${groupBy.map((key) => RAW_KEYS[key]).join(', ')}` : 'HAVING count(*) > 0'}`,
    [user.tenantId, from, to, ...wanted.map(([, value]) => value)],
  )
  return rows.map(({ costUsd, inputTokens, cachedInputTokens, outputTokens, executions, unpriced, ...key }) => ({
    key,
    costUsd: Usd.parse(String(costUsd)).toString(),
    inputTokens,
    cachedInputTokens,
    outputTokens,
    executions,
    unpriced,
    cacheHits: 0,
    savedUsd: '0',
  }))
}

const sorted = (groups: readonly object[]): string[] =>
  groups.map((group) => JSON.stringify(group, Object.keys(flat(group)).sort())).sort()
const flat = (group: object): object => ({ ...group, ...(group as { key: object }).key })

const moment = fc.oneof(
  fc.integer({ min: -2 * MS_PER_HOUR, max: (HOURS + 2) * MS_PER_HOUR }),
  fc.integer({ min: -1, max: HOURS }).map((hour) => hour * MS_PER_HOUR),
)
const question: fc.Arbitrary<Question> = fc
  .record({
    a: moment,
    b: moment,
    groupBy: fc.subarray([...SUMMARY_KEYS]),
    filter: fc.record(
      {
        agent: fc.constantFrom('developer', 'nobody'),
        model: fc.constantFrom('openai/gpt-5-mini', 'ollama/llama'),
        project: fc.constantFrom('web', 'shop', 'none'),
        user: fc.constantFrom(users[0]!, users[1]!),
        key: fc.constant(keys[0]!),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ a, b, groupBy, filter }) => ({
    from: new Date(BEGIN + Math.min(a, b)),
    to: new Date(BEGIN + Math.max(a, b)),
    groupBy,
    // Most questions ask for everything.
    filter: groupBy.length % 2 === 0 ? {} : filter,
  }))

describe('a summary', () => {
  it('is the sum of the entries to the last digit, for any range and grouping, however much is rolled up', async () => {
    await plantEntries(
      app,
      { tenantId: user.tenantId, runId },
      Array.from({ length: ENTRIES }, () => anyEntry()),
    )
    let asked = 0
    await fc.assert(
      fc.asyncProperty(question, async (one) => {
        if (++asked % 4 === 0) await rollUp(1 + Math.floor(Math.random() * 20))
        if (asked % 10 === 0) await plantEntries(app, { tenantId: user.tenantId, runId }, [anyEntry(), anyEntry()])
        const { from, to, groupBy, filter } = one
        const summary = await summaryOf({
          from: from.toISOString(),
          to: to.toISOString(),
          ...(groupBy.length > 0 && { groupBy: groupBy.join() }),
          ...filter,
        })
        const totals = await rawGroups({ ...one, groupBy: [] })
        expect(summary).toMatchObject(
          totals.length > 0
            ? { ...asTotals(totals[0]!) }
            : { totalCostUsd: '0', totalTokens: 0, executions: 0, unpriced: 0, groups: [] },
        )
        const groups = groupBy.length > 0 ? await rawGroups(one) : []
        expect(sorted(summary.groups)).toEqual(sorted(groups))
      }),
      { numRuns: QUESTIONS },
    )
    expect(asked).toBeGreaterThanOrEqual(QUESTIONS)
  }, 120_000)

  it('is the sum of the entries also while they are booked, and rolled up by two at once', async () => {
    const { tenantId } = user
    const recorded = new RecordedDatabase()
    const range = { from: new Date(BEGIN + MS_PER_HOUR / 2), to: new Date(BEGIN + 41.5 * MS_PER_HOUR) }
    const ask = { tenantId, filter: {}, parts: toHourParts(range), keys: [], limit: 1 }
    const [statement] = await recorded.during(() => new CostSummaryRepository(recorded.database).sum(ask))
    const over = new AbortController()
    const until = async (work: () => Promise<unknown>): Promise<void> => {
      while (!over.signal.aborted) await work()
    }
    const booking = until(() =>
      plantEntries(
        app,
        { tenantId, runId },
        Array.from({ length: 1 + Math.floor(Math.random() * 9) }, () => anyEntry()),
      ),
    )
    const rolling = [until(() => rollUp(7)), until(() => rollUp(11))]
    let comparisons = 0
    try {
      await withClient(app.database.url, async (client) => {
        for (; comparisons < 60; comparisons += 1) {
          await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
          const { rows: summed } = await client.query(statement!.text, [...statement!.values])
          const { rows: raw } = await client.query(
            `SELECT coalesce(sum(cost_usd), 0) AS "costUsd", count(*) AS executions, sum(input_tokens) AS "inputTokens",
                    count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced, sum(output_tokens) AS "outputTokens"
               FROM cost_tracking WHERE tenant_id = $1 AND created_at >= $2 AND created_at < $3`,
            [tenantId, range.from, range.to],
          )
          await client.query('COMMIT')
          expect(exact(summed[0])).toMatchObject(exact(raw[0]))
        }
      })
    } finally {
      over.abort()
      await Promise.all([booking, ...rolling])
    }
    expect(comparisons).toBe(60)
    const [hourly] = await app.sql('SELECT sum(executions)::int AS executions FROM cost_hourly WHERE tenant_id = $1', [
      tenantId,
    ])
    expect(hourly?.['executions']).toBeGreaterThan(ENTRIES)
  })

  it('counts an entry once when a price is given to it later, in the sums or not', async () => {
    const other = await TestUser.register(app)
    const run = { tenantId: other.tenantId, runId: await plantRun(app, other.tenantId) }
    const times = ['10:59', '11:30', '12:01'].map((time) => new Date(`2026-03-01T${time}:00.000Z`))
    const ids = await plantEntries(
      app,
      run,
      times.map((createdAt) => ({ createdAt, inputTokens: 10, costUsd: null })),
    )
    await rollUp(2, other.tenantId)
    await app.sql(`UPDATE cost_tracking SET cost_usd = 0.25 WHERE tenant_id = $1 AND id = ANY($2)`, [
      other.tenantId,
      ids.slice(1),
    ])
    const query = { from: '2026-03-01T10:30:00Z', to: '2026-03-01T12:30:00Z', groupBy: 'agent' }
    const expected = { totalCostUsd: '0.5', totalTokens: 30, executions: 3, unpriced: 1 }
    expect(await summaryOf(query, other)).toMatchObject(expected)
    while ((await rollUp(1, other.tenantId)) > 0) expect(await summaryOf(query, other)).toMatchObject(expected)
    const hours = await app.sql(
      `SELECT hour, executions::int, unpriced::int FROM cost_hourly WHERE tenant_id = $1 ORDER BY hour`,
      [other.tenantId],
    )
    expect(hours.map(({ executions, unpriced }) => [executions, unpriced])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
    ])
  })

  it('tells of the 30 days until the end of this hour unless it is asked for others', async () => {
    const other = await TestUser.register(app)
    const run = { tenantId: other.tenantId, runId: await plantRun(app, other.tenantId) }
    const ago = (ms: number): PlantedEntry => ({ createdAt: new Date(Date.now() - ms), costUsd: '1' })
    await plantEntries(app, run, [ago(1000), ago(30 * MS_PER_DAY - 2 * MS_PER_HOUR), ago(30 * MS_PER_DAY + 60_000)])
    const summary = await summaryOf({}, other)
    expect(summary).toMatchObject({ totalCostUsd: '2', executions: 2, groups: [] })
    expect(Date.parse(summary.to) - Date.parse(summary.from)).toBe(30 * MS_PER_DAY)
    expect(await summaryOf({ to: new Date(Date.now() - 90_000).toISOString() }, other)).toMatchObject({ executions: 2 })
  })

  it('has the most expensive group first, but times in their order', async () => {
    const other = await TestUser.register(app)
    const run = { tenantId: other.tenantId, runId: await plantRun(app, other.tenantId) }
    const entry = (day: number, agent: string, costUsd: string | null): PlantedEntry => ({
      createdAt: new Date(Date.UTC(2026, 2, day, 23, 59)),
      agent,
      costUsd,
    })
    await plantEntries(app, run, [entry(2, 'a', '1'), entry(2, 'b', '10.50'), entry(1, 'c', '2'), entry(1, 'd', null)])
    const range = { from: '2026-03-01T00:00:00Z', to: '2026-03-03T00:00:00Z' }
    const keysOf = async (groupBy: string) =>
      (await summaryOf({ ...range, groupBy }, other)).groups.map(({ key }) => key)
    expect(await keysOf('agent')).toEqual([{ agent: 'b' }, { agent: 'c' }, { agent: 'a' }, { agent: 'd' }])
    expect(await keysOf('agent,day')).toEqual([
      { agent: 'c', day: '2026-03-01' },
      { agent: 'd', day: '2026-03-01' },
      { agent: 'b', day: '2026-03-02' },
      { agent: 'a', day: '2026-03-02' },
    ])
    const { groups, ...totals } = await summaryOf({ ...range, groupBy: 'agent' }, other)
    expect(totals).toMatchObject({ totalCostUsd: '13.5', executions: 4, unpriced: 1 })
    expect(groups.at(-1)).toMatchObject({ costUsd: '0', unpriced: 1 })
  })

  it('is zero for a tenant without entries, and shows nothing of another', async () => {
    const stranger = await TestUser.register(app)
    const query = { from: new Date(BEGIN).toISOString(), groupBy: 'agent' }
    for (const filter of [{}, { project: 'web' }, { user: users[0]! }, { key: keys[0]! }]) {
      expect(await summaryOf({ ...query, ...filter }, stranger)).toMatchObject({
        totalCostUsd: '0',
        totalTokens: 0,
        executions: 0,
        unpriced: 0,
        cacheHits: 0,
        savedUsd: '0',
        groups: [],
      })
    }
  })

  it.each([
    ['from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z', '/from'],
    ['from=yesterday', '/from'],
    ['to=2026-03-01', '/to'],
    ['groupBy=colour', '/groupBy'],
    ['groupBy=', '/groupBy'],
    ['groupBy=agent,', '/groupBy'],
    ['user=me', '/user'],
    ['key=tn_x', '/key'],
    ['agent=', '/agent'],
    ['agent=a%00b', '/agent'],
    ['limit=5', '/limit'],
  ])('refuses ?%s', async (query, pointer) => {
    const response = await user.request({ url: `/v1/costs/summary?${query}` })
    expectProblem(response, { status: 400, code: 'validation_failed' })
    expect(response.json().errors).toContainEqual(expect.objectContaining({ pointer }))
  })

  it.each([
    ['from=1970-01-01T00:00:00Z&to=9998-12-31T23:59:59.999Z', 200],
    ['from=0000-01-01T00:00:00Z', 400],
    ['to=9999-12-31T23:59:59-12:00', 400],
  ])('is given for the ends of time, and not for years that its answer could not name: ?%s', async (query, status) => {
    expect((await user.request({ url: `/v1/costs/summary?${query}` })).statusCode).toBe(status)
  })

  it('is refused, with what to change, where it would have more groups than anybody reads', async () => {
    const other = await TestUser.register(app)
    const run = { tenantId: other.tenantId, runId: await plantRun(app, other.tenantId) }
    const hours = Array.from({ length: 101 }, (_, hour) => new Date(BEGIN + hour * MS_PER_HOUR))
    const agents = Array.from({ length: 100 }, (_, index) => `agent-${index}`)
    await plantEntries(
      app,
      run,
      hours.flatMap((createdAt) => agents.map((agent) => ({ createdAt, agent, costUsd: '1' }))),
    )
    const url = `/v1/costs/summary?from=${new Date(BEGIN).toISOString()}&to=2027-01-01T00:00:00Z&groupBy=`
    const response = await other.request({ url: `${url}agent,hour` })
    expectProblem(response, { status: 400, code: 'validation_failed' })
    expect(response.json().errors).toEqual([{ pointer: '/groupBy', detail: expect.stringContaining('shorter range') }])
    expect((await other.request({ url: `${url}agent,day` })).json()).toMatchObject({ executions: 10_100 })
  })

  it('need not be sent again while nothing has changed, also without a range', async () => {
    const url = '/v1/costs/summary?groupBy=agent'
    const statuses: number[] = []
    // Twice, should an hour end between the two.
    for (let tries = 0; tries < 2 && statuses.at(-1) !== 304; tries += 1) {
      const { headers } = await user.request({ url })
      const again = await user.request({ url, headers: { 'if-none-match': String(headers['etag']) } })
      statuses.push(again.statusCode)
    }
    expect(statuses.at(-1)).toBe(304)
  })

  it('takes the permission to read costs', async () => {
    const key = await plantApiKey(app, user, ['runs:read'])
    for (const path of ['summary', 'entries', 'export.csv', 'export.ndjson']) {
      const response = await app.inject({ url: `/v1/costs/${path}`, headers: { 'x-api-key': key } })
      expectProblem(response, { status: 403, code: 'forbidden' })
    }
    const viewer = await TestUser.join(app, user, 'viewer')
    expect((await viewer.request({ url: '/v1/costs/summary' })).statusCode).toBe(200)
  })
})

function asTotals(group: object): object {
  const { costUsd, inputTokens, outputTokens, executions, unpriced } = group as Record<string, string & number>
  return { totalCostUsd: costUsd, totalTokens: Number(inputTokens) + Number(outputTokens), executions, unpriced }
}

/** Numerics without their trailing zeros. */
function exact(row: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Usd.parse(value).toString()]))
}
