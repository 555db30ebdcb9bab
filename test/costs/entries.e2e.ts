import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { CostEntry } from '../../src/modules/costs/reports/cost-entries.schemas.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { plantEntries, plantProject, plantRun } from './cost-rows.js'

const ENTRIES = 25
const FIRST = Date.UTC(2026, 2, 1)

let app: TestApp
let user: TestUser
let runId: string
let otherRunId: string
const somebody = newId()
const key = newId()

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  const { tenantId } = user
  runId = await plantRun(app, tenantId)
  otherRunId = await plantRun(app, tenantId)
  const projectId = await plantProject(app, { tenantId, slug: 'web', isDeleted: true })
  // Several of one moment: their ids tell them apart.
  const entries = Array.from({ length: ENTRIES }, (_, index) => ({
    createdAt: new Date(FIRST + Math.floor(index / 4) * 1000),
    agent: index % 5 === 0 ? 'devops' : 'developer',
    model: index % 2 === 0 ? 'openai/gpt-5-mini' : 'ollama/llama',
    projectId: index % 3 === 0 ? projectId : null,
    userId: index % 4 === 0 ? somebody : null,
    apiKeyId: index % 6 === 0 ? key : null,
    inputTokens: index,
    costUsd: index % 2 === 0 ? '0.10' : null,
  }))
  await plantEntries(app, { tenantId, runId: otherRunId }, entries.slice(0, 2))
  await plantEntries(app, { tenantId, runId }, entries.slice(2))
})
afterAll(async () => app[Symbol.asyncDispose]())

async function list(query = '', by = user): Promise<CostEntry[]> {
  const response = await by.request({ url: `/v1/costs/entries?limit=100&${query}` })
  expect(response.statusCode).toBe(200)
  return response.json().data
}

describe('the list of entries', () => {
  it('shows what was booked, with its prices, newest first', async () => {
    const [planted] = await plantEntries(app, { tenantId: user.tenantId, runId }, [
      { createdAt: new Date(), inputTokens: 7 },
    ])
    await app.sql(
      `UPDATE cost_tracking SET cost_usd = NULL WHERE false;
       INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, user_id, api_key_id, input_tokens, cached_input_tokens,
         cache_write_tokens, output_tokens, reasoning_tokens, input_usd_per_million, cached_input_usd_per_million,
         cache_write_usd_per_million, output_usd_per_million, reasoning_usd_per_million, cost_usd, created_at, step, is_estimated)
       VALUES ('${user.tenantId}', '${newId()}', '${runId}', 'designer', 'anthropic/claude', '${somebody}', '${key}', 10, 3, 2, 5, 4,
         3.00, 0.30, 3.75, 15, NULL, 0.000123400000000000, now() + interval '1 s', 3, true)`,
    )
    const [newest, before] = await list()
    expect(newest).toEqual({
      id: expect.any(String),
      runId,
      project: null,
      agent: 'designer',
      model: 'anthropic/claude',
      userId: somebody,
      apiKeyId: key,
      step: 3,
      isEstimated: true,
      inputTokens: 10,
      cachedInputTokens: 3,
      cacheWriteTokens: 2,
      outputTokens: 5,
      reasoningTokens: 4,
      prices: {
        inputUsdPerMillion: '3',
        cachedInputUsdPerMillion: '0.3',
        cacheWriteUsdPerMillion: '3.75',
        outputUsdPerMillion: '15',
        reasoningUsdPerMillion: null,
      },
      costUsd: '0.0001234',
      createdAt: expect.stringMatching(/Z$/),
    })
    expect(before).toMatchObject({ id: planted, costUsd: '0', inputTokens: 7 })
    expect(await list('agent=designer')).toEqual([newest])
    await app.sql(`DELETE FROM cost_tracking WHERE id = ANY($1)`, [[newest!.id, planted]])
  })

  it('has every entry once, page by page, while others are booked', async () => {
    const all = await list()
    expect(all.map(({ inputTokens }) => inputTokens)).toEqual(
      Array.from({ length: ENTRIES }, (_, i) => ENTRIES - 1 - i),
    )
    const seen: string[] = []
    let url: string | null = '/v1/costs/entries?limit=3&to=2026-03-02T00:00:00Z'
    while (url !== null) {
      const response = await user.request({ url })
      const { data, nextCursor } = response.json()
      seen.push(...data.map(({ id }: CostEntry) => id))
      const link = /^<(.*)>; rel="next"$/.exec(String(response.headers.link ?? ''))?.[1]
      expect(link === undefined).toBe(nextCursor === null)
      url = link ?? null
      await plantEntries(app, { tenantId: user.tenantId, runId }, [{ createdAt: new Date() }])
    }
    expect(seen).toEqual(all.map(({ id }) => id))
    await app.sql(`DELETE FROM cost_tracking WHERE created_at > '2026-04-01'`)
  })

  it.each([
    ['agent=devops', [20, 15, 10, 5, 0]],
    ['model=ollama/llama&agent=devops', [15, 5]],
    ['project=web&user=' + somebody, [24, 12, 0]],
    ['project=none', []],
    [`key=${key}`, [24, 18, 12, 6, 0]],
    [`key=${newId()}`, []],
    ['unpriced=true&agent=devops', [15, 5]],
    ['unpriced=false&agent=devops', [20, 10, 0]],
    ['from=2026-03-01T00:00:01Z&to=2026-03-01T00:00:02Z', [7, 6, 5, 4]],
    ['from=2026-03-01T02:00:01%2B02:00&to=2026-03-01T00:00:01Z', []],
  ])('is narrowed by ?%s', async (query, expected) => {
    expect((await list(query)).map(({ inputTokens }) => inputTokens)).toEqual(expected)
  })

  it.each(['entries', 'export.csv', 'export.ndjson'])('refuses a time that ends before it begins: %s', async (path) => {
    const url = `/v1/costs/${path}?from=2026-03-02T00:00:00Z&to=2026-03-02T01:59:59%2B02:00`
    expectProblem(await user.request({ url }), { status: 400, code: 'validation_failed', pointers: ['/from'] })
  })

  it('is narrowed to a run', async () => {
    expect((await list(`runId=${otherRunId}`)).map(({ inputTokens }) => inputTokens)).toEqual([1, 0])
  })

  it('names the project by its slug, also one that is deleted', async () => {
    expect((await list('project=web')).map(({ project }) => project)).toEqual(Array.from({ length: 9 }, () => 'web'))
  })

  it('shows nothing to another tenant', async () => {
    const stranger = await TestUser.register(app)
    for (const query of ['', `runId=${runId}`, 'project=web', `user=${somebody}`]) {
      expect(await list(query, stranger)).toEqual([])
    }
  })

  it.each(['cursor=x', 'cursor=MQ', 'limit=0', 'limit=101', 'unpriced=yes', 'runId=1', 'from=now', 'groupBy=agent'])(
    'refuses ?%s',
    async (query) => {
      const response = await user.request({ url: `/v1/costs/entries?${query}` })
      expectProblem(response, { status: 400, code: 'validation_failed' })
    },
  )
})
