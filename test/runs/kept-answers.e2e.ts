import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Run } from '../../src/modules/runs/runs.schemas.js'
import { hasResults } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { plantQueuedRuns } from '../support/queued-runs.js'
import { listLog, simulatorEnv, whenFinished } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const QUESTION = { task: 'What time is it?', cache: 'use' }
/** A tool that no agent has: its result is an error, and the model goes on. */
const A_CALL = [{ name: 'nothing', arguments: {} }]
const SCHEMA = { type: 'object', required: ['city'] }
const NOTHING_USED = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0, totalTokens: 0 }
const SWEEP_LIMIT_MS = 5000

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

const run = async (payload: object, by = user): Promise<Run> => (await by.run(payload)).json()

describe('a run that may use kept answers', () => {
  it('asks the model once; then the same question is answered for nothing', async () => {
    simulator.reply('Noon.')
    const first = await run(QUESTION)
    simulator.reply('Midnight.')
    const second = await run(QUESTION)
    expect(first).toMatchObject({ status: 'completed', cache: 'miss', output: { text: 'Noon.' } })
    expect(second).toMatchObject({
      status: 'completed',
      cache: 'hit',
      output: { text: 'Noon.' },
      usage: NOTHING_USED,
      costUsd: '0',
    })
    expect(simulator.requests).toHaveLength(1)
    const costs = await app.sql('SELECT run_id FROM cost_tracking WHERE tenant_id = $1', [user.tenantId])
    expect(costs).toEqual([{ run_id: first.id }])
    const [kept] = await app.sql(
      'SELECT hits::int, trim_scale(saved_usd)::text AS saved FROM kept_answers WHERE tenant_id = $1',
      [user.tenantId],
    )
    expect(kept).toEqual({ hits: 1, saved: first.costUsd })
  })

  it('tells the same story whether it was answered by a model or not', async () => {
    const logs = []
    for (const { id } of [await run(QUESTION), await run(QUESTION)]) logs.push(await listLog(user, id))
    const [asked = [], kept = []] = logs
    const types = ['run.started', 'step.started', 'output.delta', 'step.finished', 'run.completed']
    expect([...new Set(asked.map(({ type }) => type))]).toEqual(types)
    expect(kept.map(({ type }) => type)).toEqual(types)
    expect(kept.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5])
    expect(kept[3]?.data).toMatchObject({ status: 'completed', cache: 'hit', costUsd: '0' })
  })

  it('tells it in that order when it came from the queue, too', async () => {
    const question = { task: 'Task 1', cache: 'use' }
    await run(question)
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: 1 })
    const [queued] = await app.sql(`UPDATE runs SET input = '{"cache":"use"}' WHERE status = 'pending' RETURNING id`)
    const { id, cache } = await whenFinished(user, String(queued?.['id']), SWEEP_LIMIT_MS)
    expect(cache).toBe('hit')
    expect((await listLog(user, id)).map(({ sequence, type }) => `${sequence} ${type}`)).toEqual([
      '1 run.started',
      '2 step.started',
      '3 output.delta',
      '4 step.finished',
      '5 run.completed',
    ])
  })

  it('asks anew with `refresh`, which others then use, and with `off`, which nobody does', async () => {
    simulator.reply('One.')
    await run(QUESTION)
    simulator.reply('Two.')
    const refreshed = await run({ ...QUESTION, cache: 'refresh' })
    expect(refreshed).toMatchObject({ cache: 'miss', output: { text: 'Two.' } })
    simulator.reply('Three.')
    expect(await run({ ...QUESTION, cache: 'off' })).toMatchObject({ cache: 'off', output: { text: 'Three.' } })
    expect(await run({ task: QUESTION.task })).toMatchObject({ cache: 'off', output: { text: 'Three.' } })
    expect(await run(QUESTION)).toMatchObject({ cache: 'hit', output: { text: 'Two.' } })
  })

  it('keeps and counts them exactly where runs of several questions share their commits', async () => {
    const questions = Array.from({ length: 6 }, (_, index) => ({ ...QUESTION, task: `Question ${index}?` }))
    for (const question of questions) await run(question)
    const asked = Array.from({ length: 60 }, (_, index) => ({
      ...questions[(index * 5) % questions.length],
      cache: index % 4 === 0 ? 'refresh' : 'use',
    }))
    const runs = await Promise.all(asked.map((payload) => run(payload)))
    expect(runs.map(({ status, cache }) => `${status} ${cache}`)).toEqual(
      asked.map(({ cache }) => `completed ${cache === 'use' ? 'hit' : 'miss'}`),
    )
    const [kept] = await app.sql(
      'SELECT count(*)::int AS answers, sum(hits)::int AS hits FROM kept_answers WHERE tenant_id = $1',
      [user.tenantId],
    )
    expect(kept).toEqual({ answers: 6, hits: 45 })
    expect((await user.request({ url: '/v1/costs/summary' })).json()).toMatchObject({ cacheHits: 45 })
  })

  it.each([
    ['ends at a limit before it can act on one', { maxSteps: 1 }, 'limit_exceeded', 1],
    ['acts on one, and ends at a limit then', { maxSteps: 2 }, 'limit_exceeded', 1],
    ['acts on one, and ends with another', {}, undefined, 2],
  ])('counts each once that %s', async (_what, limits, code, hits) => {
    simulator.when((request) => (hasResults(request) ? { reply: 'Done.' } : { toolCalls: A_CALL }))
    expect((await run(QUESTION)).status).toBe('completed')
    const again = await run({ ...QUESTION, limits })
    expect(again.error?.code).toBe(code)
    const [kept] = await app.sql('SELECT sum(hits)::int AS hits FROM kept_answers WHERE tenant_id = $1', [
      user.tenantId,
    ])
    expect(kept).toEqual({ hits })
    expect((await user.request({ url: '/v1/costs/summary' })).json()).toMatchObject({ cacheHits: hits })
  })

  it("is never given another tenant's answer, nor that to another question", async () => {
    await run(QUESTION)
    const stranger = await TestUser.register(app)
    expect(await run(QUESTION, stranger)).toMatchObject({ cache: 'miss' })
    for (const other of [
      { context: 'Rome.' },
      { task: 'What day is it?' },
      { model: 'openai/gpt-5-mini' },
      { limits: { maxTokens: 50 } },
    ]) {
      expect(await run({ ...QUESTION, ...other })).toMatchObject({ cache: 'miss' })
    }
  })

  it('keeps the turns of a run that calls tools, and makes the calls again', async () => {
    simulator.when((request) => (hasResults(request) ? { reply: 'Done.' } : { toolCalls: A_CALL }))
    await run(QUESTION)
    const second = await run(QUESTION)
    expect(second).toMatchObject({ status: 'completed', cache: 'hit', output: { text: 'Done.' }, usage: NOTHING_USED })
    expect(simulator.requests).toHaveLength(2)
    expect((await listLog(user, second.id)).filter(({ type }) => type === 'tool.called')).toHaveLength(1)
  })
})

describe('what is not good is not kept:', () => {
  it.each([
    ['an answer that was cut', { reply: 'Half of', finishReason: 'length' }, QUESTION],
    ['a call that failed', { failure: { status: 400 } }, QUESTION],
    ['an answer of the wrong form', { reply: 'no JSON' }, { ...QUESTION, outputSchema: SCHEMA }],
  ])('%s', async (_what, behaviour, question) => {
    simulator.set(behaviour)
    await run(question)
    expect(await app.sql('SELECT 1 FROM kept_answers WHERE tenant_id = $1', [user.tenantId])).toEqual([])
    simulator.reset()
    simulator.reply('{"city":"Paris"}')
    expect(await run(question)).toMatchObject({ status: 'completed', cache: 'miss' })
  })

  it('of two answers the one that had to be repaired', async () => {
    const question = { ...QUESTION, outputSchema: SCHEMA }
    simulator.reply('{"city":"Paris"}').next({ reply: 'no JSON' })
    expect(await run(question)).toMatchObject({ status: 'completed', cache: 'miss' })
    const kept = await app.sql(`SELECT answer ->> 'text' AS text FROM kept_answers WHERE tenant_id = $1`, [
      user.tenantId,
    ])
    expect(kept).toEqual([{ text: '{"city":"Paris"}' }])
  })
})
