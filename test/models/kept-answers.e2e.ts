import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { type AnswerQuestion, KeptAnswers } from '#modules/models'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import {
  KEPT_ANSWERS_PER_BATCH,
  KeptAnswersSweep,
} from '../../src/modules/models/kept-answers/kept-answers-sweep.job.js'
import { CLEARED_PER_BATCH, type NewAnswer } from '../../src/modules/models/kept-answers/kept-answers.service.js'
import { whenWaiting } from '../support/held-tenant.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const TTL_SECONDS = { text: 1000, structured: 900, tools: 800, knowledge: 700 }
const ENV = {
  LLM_CACHE_TTL_TEXT_SECONDS: String(TTL_SECONDS.text),
  LLM_CACHE_TTL_STRUCTURED_SECONDS: String(TTL_SECONDS.structured),
  LLM_CACHE_TTL_TOOLS_SECONDS: String(TTL_SECONDS.tools),
  LLM_CACHE_TTL_KNOWLEDGE_SECONDS: String(TTL_SECONDS.knowledge),
}
const QUESTION: AnswerQuestion = {
  agent: 'developer',
  agentVersion: 1,
  model: 'openai/gpt-4o-mini',
  instructions: 'Be brief.',
  messages: [{ role: 'user', text: 'What time is it?' }],
  tools: [],
  outputSchema: null,
  maxOutputTokens: null,
  knowledgeRevision: null,
}
const TOOLS = [{ name: 'clock', description: 'Tells the time.', inputSchema: { type: 'object' } }]
const ANSWER = { text: 'Noon.', toolCalls: [], citations: [], finishReason: 'stop', model: QUESTION.model }
const USAGE = { isReported: true, inputTokens: 40, cachedInputTokens: 30, outputTokens: 20, reasoningTokens: 10 }
const COST_USD = '0.000000000000000001'

let app: TestApp
let answers: KeptAnswers
let database: Database
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start({ env: ENV })
  answers = app.nest.get(KeptAnswers)
  database = app.nest.get(Database)
})
afterAll(() => app?.[Symbol.asyncDispose]())
beforeEach(async () => {
  await app.sql('DELETE FROM kept_answers')
  user = await TestUser.register(app)
})

function entryOf({ question = QUESTION, ...overrides }: Partial<NewAnswer> = {}): NewAnswer {
  const { tenantId } = user
  const keyHash = answers.hashOf(question)
  return {
    tenantId,
    question,
    keyHash,
    answer: ANSWER,
    usage: USAGE,
    isEstimated: false,
    costUsd: COST_USD,
    ...overrides,
  }
}

async function keep(overrides: Partial<NewAnswer> = {}): Promise<NewAnswer> {
  const entry = entryOf(overrides)
  await database.transaction({ tenantId: entry.tenantId }, (tx) => answers.keep(entry, tx))
  return entry
}

const find = (question: AnswerQuestion = QUESTION, tenantId = user.tenantId) =>
  answers.find(tenantId, answers.hashOf(question))

const hit = (savedUsd: string | null, keyHash = answers.hashOf(QUESTION)): Promise<void> =>
  database.transaction({ tenantId: user.tenantId }, (tx) =>
    answers.countHit({ tenantId: user.tenantId, keyHash, savedUsd }, tx),
  )

/** Value of a counter, 0 where nothing was counted. */
async function metric(name: string): Promise<number> {
  const { body } = await app.inject({ url: '/metrics' })
  const line = body.split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.slice(name.length) ?? 0)
}

const requests = (result: string): Promise<number> => metric(`temponest_llm_cache_requests_total{result="${result}"}`)

async function expire(keyHash: Buffer): Promise<void> {
  await app.sql(`UPDATE kept_answers SET expires_at = now() - interval '1 second' WHERE key_hash = $1`, [keyHash])
}

/** Many answers, to questions that nobody asked. */
async function plant({ tenants, each, seconds }: { tenants: string[]; each: number; seconds: number }): Promise<void> {
  await app.sql(
    `INSERT INTO kept_answers (tenant_id, key_hash, model, answer, input_tokens, cached_input_tokens, output_tokens,
                               reasoning_tokens, created_at, expires_at)
     SELECT t.id, sha256(n::text::bytea), 'm', '{}', 0, 0, 0, 0, now(), now() + $3 * interval '1 second'
       FROM unnest($1::uuid[]) AS t (id), generate_series(1, $2) AS n`,
    [tenants, each, seconds],
  )
}

describe('a kept answer', () => {
  it('is found with the usage and the cost of the call that made it', async () => {
    const answer = {
      text: 'Noon, says the clock.',
      toolCalls: [{ id: 'call_a', name: 'clock', arguments: { zone: 'UTC', city: 'Rome', nested: [1.5, null, 1e21] } }],
      citations: [{ documentId: null, chunkId: null, title: 'Context', start: 0, end: 5 }],
      finishReason: 'tool-calls',
      model: QUESTION.model,
    }
    await keep({ answer })
    expect(await find()).toEqual({ answer, usage: USAGE, costUsd: COST_USD })
  })

  it('of an unpriced call has no cost', async () => {
    await keep({ costUsd: null })
    expect((await find())?.costUsd).toBeNull()
  })

  it.each<Partial<AnswerQuestion>>([
    { agent: 'designer' },
    { agentVersion: 2 },
    { model: 'openai/gpt-4o' },
    { instructions: 'Be long.' },
    { messages: [{ role: 'user', text: 'What time was it?' }] },
    { tools: TOOLS },
    { outputSchema: {} },
    { maxOutputTokens: 100 },
    { knowledgeRevision: '' },
  ])('is not found by a question with %j', async (overrides) => {
    await keep()
    expect(await find({ ...QUESTION, ...overrides })).toBeNull()
  })

  it("is not another tenant's: the same question has an answer in each", async () => {
    const other = await TestUser.register(app)
    await keep()
    expect(await find(QUESTION, other.tenantId)).toBeNull()
    await keep({ tenantId: other.tenantId, answer: { ...ANSWER, text: 'Midnight.' } })
    expect([(await find())?.answer.text, (await find(QUESTION, other.tenantId))?.answer.text]).toEqual([
      'Noon.',
      'Midnight.',
    ])
  })

  it("is refused by the database in another tenant's name", async () => {
    const other = await TestUser.register(app)
    const kept = database.transaction({ tenantId: other.tenantId }, (tx) => answers.keep(entryOf(), tx))
    await expect(kept).rejects.toThrow('row-level security')
    const { keyHash, tenantId } = await keep()
    await database.transaction({ tenantId: other.tenantId }, (tx) =>
      answers.countHit({ tenantId, keyHash, savedUsd: '1' }, tx),
    )
    expect(await app.sql('SELECT hits FROM kept_answers')).toEqual([{ hits: '0' }])
  })

  it('takes the place of an older one, and goes on with its tally', async () => {
    await keep()
    await hit('0.5')
    await keep({ answer: { ...ANSWER, text: 'One.' }, usage: { ...USAGE, outputTokens: 21 }, costUsd: '2' })
    expect(await find()).toEqual({
      answer: { ...ANSWER, text: 'One.' },
      usage: { ...USAGE, outputTokens: 21 },
      costUsd: '2',
    })
    expect(await app.sql('SELECT hits, saved_usd FROM kept_answers')).toEqual([{ hits: '1', saved_usd: '0.5' }])
  })

  it('is one whole answer, however many are kept at once', async () => {
    const made = Array.from({ length: 20 }, (_, index) => ({
      answer: { ...ANSWER, text: `Answer ${index}` },
      usage: { ...USAGE, inputTokens: 1000 + index },
    }))
    await Promise.all(made.map((overrides) => keep(overrides)))
    expect(await app.sql('SELECT count(*)::int FROM kept_answers')).toEqual([{ count: 1 }])
    const kept = await find()
    expect(made).toContainEqual({ answer: kept?.answer, usage: kept?.usage })
  })

  it('is gone with a transaction that fails', async () => {
    const failing = database.transaction({ tenantId: user.tenantId }, async (tx) => {
      await answers.keep(entryOf(), tx)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await find()).toBeNull()
  })
})

describe('the time of a kept answer', () => {
  it.each<[keyof typeof TTL_SECONDS, Partial<AnswerQuestion>]>([
    ['text', {}],
    ['structured', { outputSchema: {} }],
    ['tools', { outputSchema: {}, tools: TOOLS }],
    ['knowledge', { outputSchema: {}, tools: TOOLS, knowledgeRevision: 'r1' }],
  ])('is that of %s, and then it is not found any more', async (kind, overrides) => {
    const question = { ...QUESTION, ...overrides }
    const { keyHash } = await keep({ question })
    expect(
      await app.sql('SELECT extract(epoch FROM expires_at - created_at)::int AS seconds FROM kept_answers'),
    ).toEqual([{ seconds: TTL_SECONDS[kind] }])
    expect(await find(question)).not.toBeNull()
    await expire(keyHash)
    expect(await find(question)).toBeNull()
    await keep({ question })
    expect(await find(question)).not.toBeNull()
  })

  it.each<[string, Partial<AnswerQuestion>, boolean]>([
    ['LLM_CACHE_TTL_TEXT_SECONDS', {}, false],
    ['LLM_CACHE_TTL_STRUCTURED_SECONDS', { outputSchema: {} }, false],
    ['LLM_CACHE_TTL_TOOLS_SECONDS', { tools: TOOLS, knowledgeRevision: 'r1' }, false],
    ['LLM_CACHE_TTL_KNOWLEDGE_SECONDS', { tools: TOOLS, knowledgeRevision: 'r1' }, false],
    ['LLM_CACHE_TTL_KNOWLEDGE_SECONDS', { tools: TOOLS }, true],
  ])('that is 0 (%s) keeps nothing of its kind: %j is kept: %s', async (setting, overrides, isKept) => {
    await using replica = await TestApp.start({ database: app.database, env: { ...ENV, [setting]: '0' } })
    const question = { ...QUESTION, ...overrides }
    await database.transaction({ tenantId: user.tenantId }, (tx) =>
      replica.nest.get(KeptAnswers).keep(entryOf({ question }), tx),
    )
    expect((await find(question)) !== null).toBe(isKept)
  })

  it('is a day for text and forms, an hour with tools, a quarter with knowledge, unless the operator says otherwise', () => {
    const { settings } = AppConfig.parse({ NODE_ENV: 'test' })
    expect([
      settings.LLM_CACHE_TTL_TEXT_SECONDS,
      settings.LLM_CACHE_TTL_STRUCTURED_SECONDS,
      settings.LLM_CACHE_TTL_TOOLS_SECONDS,
      settings.LLM_CACHE_TTL_KNOWLEDGE_SECONDS,
    ]).toEqual([86_400, 86_400, 3600, 900])
  })
})

describe('what is not kept', () => {
  it.each<[string, Partial<NewAnswer>]>([
    ['an answer that was cut short', { answer: { ...ANSWER, finishReason: 'length' } }],
    ['an answer that failed', { answer: { ...ANSWER, finishReason: 'error' } }],
    ['an empty answer', { answer: { ...ANSWER, text: '' } }],
    ['an answer that no column can hold', { answer: { ...ANSWER, text: 'a \0 b' } }],
    ["a stand-in's answer", { answer: { ...ANSWER, model: 'anthropic/claude-sonnet-4-5' } }],
    ['an answer whose tokens we counted', { isEstimated: true }],
    ['an answer whose tokens nobody told', { usage: { ...USAGE, isReported: false } }],
  ])('%s, and an older one stays', async (_what, overrides) => {
    await keep(overrides)
    expect(await app.sql('SELECT 1 FROM kept_answers')).toEqual([])
    await keep({ answer: { ...ANSWER, text: 'Older.' } })
    await keep(overrides)
    expect((await find())?.answer.text).toBe('Older.')
  })
})

describe('hits', () => {
  it('are counted exactly, with what they saved, however many come at once', async () => {
    await keep()
    const [hits, saved] = [await requests('hit'), await metric('temponest_llm_cache_saved_usd_total')]
    await Promise.all(Array.from({ length: 50 }, (_, index) => hit(index < 40 ? '0.012345678901234567' : null)))
    expect(await app.sql('SELECT hits, saved_usd FROM kept_answers')).toEqual([
      { hits: '50', saved_usd: '0.493827156049382680' },
    ])
    expect((await requests('hit')) - hits).toBe(50)
    expect((await metric('temponest_llm_cache_saved_usd_total')) - saved).toBeCloseTo(0.493827156)
  })

  it('count only when what they were used for is committed', async () => {
    const { keyHash, tenantId } = await keep()
    const before = await requests('hit')
    const failing = database.transaction({ tenantId }, async (tx) => {
      await answers.countHit({ tenantId, keyHash, savedUsd: '1' }, tx)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await app.sql('SELECT hits, saved_usd FROM kept_answers')).toEqual([{ hits: '0', saved_usd: '0' }])
    expect(await requests('hit')).toBe(before)
  })

  it('of an answer that was cleared meanwhile still count as a metric', async () => {
    const before = await requests('hit')
    await hit('1')
    expect((await requests('hit')) - before).toBe(1)
  })

  it('are told from misses and refreshes', async () => {
    const before = await Promise.all(['hit', 'miss', 'refresh'].map(requests))
    await find()
    await keep()
    await find()
    answers.countRefresh()
    const after = await Promise.all(['hit', 'miss', 'refresh'].map(requests))
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([0, 1, 1])
  })
})

describe('the sweep', () => {
  const sweep = (): Promise<void> => app.nest.get(KeptAnswersSweep).sweep()

  it('removes what is over of all tenants, in batches, and nothing else', async () => {
    const other = await TestUser.register(app)
    await keep()
    await keep({ tenantId: other.tenantId })
    await plant({ tenants: [user.tenantId, other.tenantId], each: KEPT_ANSWERS_PER_BATCH, seconds: -1 })
    await sweep()
    expect(await app.sql('SELECT count(*)::int FROM kept_answers')).toEqual([{ count: 2 }])
    expect([await find(), await find(QUESTION, other.tenantId)]).not.toContain(null)
  })

  it('leaves an answer that is kept anew while it waits', async () => {
    const entry = await keep()
    await expire(entry.keyHash)
    let swept: Promise<void> | undefined
    await database.transaction({ tenantId: user.tenantId }, async (tx) => {
      await answers.keep(entry, tx)
      swept = sweep()
      await whenWaiting(app, 1)
    })
    await swept
    expect(await find()).not.toBeNull()
  })
})

describe('POST /v1/admin/cache/clear', () => {
  it.each([
    ['answers', false],
    ['all', false],
    ['responses', true],
    ['permissions', true],
  ])("%s: the tenant's kept answers are still found: %s", async (scope, areFound) => {
    const other = await TestUser.register(app)
    await keep()
    await keep({ tenantId: other.tenantId })
    const response = await user.request({ method: 'POST', url: '/v1/admin/cache/clear', payload: { scope } })
    expect([response.statusCode, response.json().scope]).toEqual([200, scope])
    expect((await find()) !== null).toBe(areFound)
    expect(await find(QUESTION, other.tenantId)).not.toBeNull()
  })

  it('answers: however many there are', async () => {
    await plant({ tenants: [user.tenantId], each: CLEARED_PER_BATCH * 2 + 1, seconds: 60 })
    await user.request({ method: 'POST', url: '/v1/admin/cache/clear', payload: { scope: 'answers' } })
    expect(await app.sql('SELECT count(*)::int FROM kept_answers')).toEqual([{ count: 0 }])
  })
})
