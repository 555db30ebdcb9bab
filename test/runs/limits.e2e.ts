import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { Usd } from '#kernel/usd.js'
import { delegateTo, hasResults, LEAD } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { getRun, listChildren, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SERVER_MAX_STEPS = 6
/** A tool that no agent has: its result is an error, and the model goes on. */
const A_CALL = [{ name: 'nothing', arguments: {} }]
const TIMEOUT_SECONDS = 1

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: { ...simulatorEnv(simulator), RUN_MAX_STEPS: String(SERVER_MAX_STEPS) } })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const outputLimits = () => simulator.requests.map(({ body }) => body['max_tokens'])

describe('limits.maxSteps', () => {
  it('fails a run before the step that would be one too many, and keeps what it used', async () => {
    simulator.set({ toolCalls: A_CALL, usage: { promptTokens: 10, completionTokens: 5 } })
    const run = (await user.run({ task: 'Go on and on.', limits: { maxSteps: 4 } })).json()
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'limit_exceeded', detail: 'The run has come to its limit of 4 steps.' },
      usage: { inputTokens: 20, outputTokens: 10 },
    })
    // Model, call, model, call.
    expect(simulator.requests).toHaveLength(2)
    const steps = await app.sql(
      `SELECT kind || ' ' || status AS step FROM run_steps WHERE run_id = $1 ORDER BY position`,
      [run.id],
    )
    expect(steps.map(({ step }) => step)).toEqual(['model completed', 'tool failed', 'model completed', 'tool failed'])
  })

  it('lets a run end with its last step', async () => {
    simulator.when((request) => (hasResults(request) ? { reply: 'Done.' } : { toolCalls: A_CALL }))
    const run = (await user.run({ task: 'Call once.', limits: { maxSteps: 3 } })).json()
    expect(run).toMatchObject({ status: 'completed', output: { text: 'Done.' } })
  })

  it('counts several calls of one answer before any is made', async () => {
    simulator.set({ toolCalls: [...A_CALL, ...A_CALL, ...A_CALL] })
    const run = (await user.run({ task: 'Call three.', limits: { maxSteps: 3 } })).json()
    expect(run.error.code).toBe('limit_exceeded')
    expect(await app.sql(`SELECT 1 FROM run_steps WHERE run_id = $1 AND kind = 'tool'`, [run.id])).toEqual([])
  })

  it("cannot be raised above the server's own", async () => {
    simulator.set({ toolCalls: A_CALL })
    const run = (await user.run({ task: 'Go on and on.', limits: { maxSteps: 1000 } })).json()
    expect(run.error.detail).toBe(`The run has come to its limit of ${SERVER_MAX_STEPS} steps.`)
    expect(simulator.requests).toHaveLength(SERVER_MAX_STEPS / 2)
  })
})

describe('limits.maxTokens', () => {
  it('gives each call what is left, and fails the run when nothing is', async () => {
    simulator.set({ toolCalls: A_CALL, usage: { promptTokens: 10, completionTokens: 30 } })
    const run = (await user.run({ task: 'Talk.', limits: { maxTokens: 50 } })).json()
    expect(outputLimits()).toEqual([50, 20])
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'limit_exceeded', detail: 'The run has come to its limit of 50 output tokens.' },
      usage: { outputTokens: 60 },
    })
  })

  it('is told to models that reason in the words that they take', async () => {
    const run = (await user.run({ task: 'Think.', model: 'openai/gpt-5-mini', limits: { maxTokens: 50 } })).json()
    expect(run).toMatchObject({ status: 'completed' })
    expect(simulator.requests.map(({ body }) => body['max_completion_tokens'])).toEqual([50])
  })

  it.each([
    ['openai/gpt-4o-mini', 50_000, 16_384],
    ['openai/gpt-4o-mini', 16_000, 16_000],
    ['openai/of-our-own', 50_000, 50_000],
    ['openai/of-our-own', 1_000_000, 1_000_000],
  ])('is told to %s as %i only where it can say as much', async (model, maxTokens, told) => {
    expect((await user.run({ task: 'Talk.', model, limits: { maxTokens } })).json().status).toBe('completed')
    expect(outputLimits()).toEqual([told])
  })

  it('is shared with what the run delegates', async () => {
    delegateTo(simulator, ['One.', 'Two.'], () => ({ usage: { completionTokens: 20 } }))
    simulator.set({ usage: { completionTokens: 10 } })
    const { id } = (await user.run({ task: LEAD, limits: { maxTokens: 100 } }, { agent: 'overseer' })).json()
    expect(await getRun(user, id)).toMatchObject({ status: 'completed', usage: { outputTokens: 60 } })
    // A third of the 90 that were left for each child; then all that they have left over.
    expect(outputLimits()).toEqual([100, 30, 30, 50])
  })
})

describe('limits.maxCostUsd', () => {
  it('fails a run before a call that it cannot pay', async () => {
    const run = (await user.run({ task: 'Think.', limits: { maxCostUsd: '0.000001' } })).json()
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'limit_exceeded', detail: 'The run has come to its limit of 0.000001 USD.' },
      costUsd: '0',
      usage: { totalTokens: 0 },
    })
    expect(simulator.requests).toHaveLength(0)
  })

  it('that is enough for more than the model can say names what it can say', async () => {
    expect((await user.run({ task: 'Think.', limits: { maxCostUsd: '100' } })).json().status).toBe('completed')
    expect(outputLimits()).toEqual([16_384])
  })

  it('is never passed, by models that write as much as they may', async () => {
    simulator.set({
      toolCalls: A_CALL,
      usage: ({ text, body }) => ({
        promptTokens: Math.floor(text.length / 6),
        completionTokens: Math.min(500, Number(body['max_tokens'])),
      }),
    })
    const maxCostUsd = '0.0012'
    const run = (await user.run({ task: 'Write.', limits: { maxCostUsd } })).json()
    expect(run.error).toMatchObject({ code: 'limit_exceeded' })
    expect(simulator.requests.length).toBeGreaterThan(1)
    expect(Usd.parse(maxCostUsd).isAtLeast(Usd.parse(run.costUsd))).toBe(true)
    // The last call was cut down to what was left.
    expect(Number(outputLimits().at(-1))).toBeLessThan(Number(outputLimits()[0]))
  })

  it('is shared with what the run delegates, and leaves out stand-ins that have no price', async () => {
    delegateTo(simulator, ['One.', 'Two.'])
    const limits = { maxCostUsd: '0.01' }
    const { id, costUsd } = (await user.run({ task: LEAD, limits }, { agent: 'overseer' })).json()
    const inputs = await app.sql(`SELECT input #>> '{limits,maxCostUsd}' AS usd FROM runs WHERE parent_run_id = $1`, [
      id,
    ])
    expect(inputs).toHaveLength(2)
    for (const { usd } of inputs) {
      expect(Number(usd)).toBeLessThan(0.01 / 3)
      expect(Number(usd)).toBeGreaterThan(0.003)
    }
    const [sum] = await app.sql(
      'SELECT trim_scale(sum(cost_usd))::text AS usd FROM cost_tracking WHERE tenant_id = $1 AND created_at >= (SELECT created_at FROM runs WHERE id = $2)',
      [user.tenantId, id],
    )
    expect(costUsd).toBe(sum?.['usd'])
  })
})

describe('limits.timeoutSeconds', () => {
  it('does not run while a person is asked', async () => {
    const limits = { timeoutSeconds: TIMEOUT_SECONDS }
    const approve = async (id: string) => {
      await whenRun(user, id, ({ status }) => status === 'waiting_approval')
      await sleep(TIMEOUT_SECONDS * 1000 + 300)
      const [approval] = (await user.request({ url: '/v1/approvals?status=pending' })).json().data
      const path = `/v1/approvals/${approval.id}/approve`
      expect((await user.request({ method: 'POST', url: path, payload: {} })).statusCode).toBe(200)
      return Date.now()
    }
    const start = async () =>
      (await user.run({ task: 'Ask.', requireApproval: true, limits }, { prefer: 'respond-async' })).json().id
    const quick = await start()
    await approve(quick)
    expect(await whenFinished(user, quick)).toMatchObject({ status: 'completed' })

    simulator.set({ hang: 'before-headers' })
    const slow = await start()
    const approvedAt = await approve(slow)
    const run = await whenFinished(user, slow)
    expect(run).toMatchObject({ status: 'failed', error: { code: 'run_timeout' } })
    expect(Date.parse(String(run.finishedAt)) - approvedAt).toBeGreaterThan(500)
  })

  it('holds for what the run delegates, and for the run while it waits for that', async () => {
    delegateTo(simulator, ['One.'], () => ({ hang: 'before-headers' }))
    const limits = { timeoutSeconds: TIMEOUT_SECONDS }
    const run = (await user.run({ task: LEAD, limits }, { agent: 'overseer' })).json()
    expect(run).toMatchObject({ status: 'failed', error: { code: 'run_timeout' } })
    expect(run.durationMs).toBeLessThan(4000)
    expect(await listChildren(user, run.id)).toMatchObject([{ status: 'failed', error: { code: 'run_timeout' } }])
    await simulator.settled()
  })
})
