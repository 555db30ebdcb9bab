import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { Colleague } from '../support/colleague.js'
import { delegateTo, LEAD } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { listChildren, listLog, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

/** How soon a call in flight must be aborted, and its run be over. */
const ABORT_LIMIT_MS = 1000
const TWENTY_WORDS = Array.from({ length: 20 }, (_, index) => `word${index}`).join(' ')

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: { ...simulatorEnv(simulator), RUN_CONCURRENCY: '2' } })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterEach(async () => {
  await app.sql('DELETE FROM runs')
  simulator.reset()
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const start = async (payload: object = { task: 'Take long.' }, agent?: string): Promise<string> =>
  (await user.run(payload, { prefer: 'respond-async', ...(agent && { agent }) })).json().id

const cancel = (id: string, by: Pick<TestUser, 'request'> = user) =>
  by.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })

const costsOf = (id: string) =>
  app.sql(
    'SELECT is_estimated, input_tokens::int AS input, output_tokens::int AS output, cost_usd FROM cost_tracking WHERE run_id = $1',
    [id],
  )

describe('a model call in flight', () => {
  it('is aborted at the provider within a second, and what it has said so far is counted', async () => {
    simulator.set({ reply: TWENTY_WORDS, hang: { afterChunks: 8 } })
    const id = await start()
    await simulator.received(1)
    await whenLogged(id, 'output.delta')
    const askedAt = performance.now()
    const response = await cancel(id)
    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ id, status: 'running' })
    await simulator.settled({ timeoutMs: ABORT_LIMIT_MS })
    const run = await whenFinished(user, id, ABORT_LIMIT_MS)
    expect(performance.now() - askedAt).toBeLessThan(ABORT_LIMIT_MS)
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected'])

    expect(run).toMatchObject({ status: 'cancelled', output: null, error: null, attempt: 1 })
    const { inputTokens, outputTokens } = run.usage
    expect(inputTokens).toBeGreaterThan(100)
    expect(outputTokens).toBeGreaterThan(0)
    expect(Number(run.costUsd)).toBeGreaterThan(0)
    expect(await costsOf(id)).toEqual([
      { is_estimated: true, input: inputTokens, output: outputTokens, cost_usd: run.costUsd },
    ])
    const [step] = await app.sql(
      'SELECT status, input_tokens::int, output_tokens::int FROM run_steps WHERE run_id = $1',
      [id],
    )
    expect(step).toEqual({ status: 'cancelled', input_tokens: inputTokens, output_tokens: outputTokens })
    const log = await listLog(user, id)
    expect(log.slice(-2)).toMatchObject([
      { type: 'step.finished', data: { step: 1, status: 'cancelled', usage: { inputTokens, outputTokens } } },
      { type: 'run.cancelled', data: { usage: { inputTokens, outputTokens }, costUsd: run.costUsd } },
    ])
  })

  it('is aborted as well when another replica is asked', async () => {
    simulator.set({ hang: 'before-headers' })
    const id = await start()
    await simulator.received(1)
    await using other = await TestApp.start({ env: simulatorEnv(simulator), database: app.database })
    const askedAt = performance.now()
    const response = await other.inject({
      method: 'POST',
      url: `/v1/runs/${id}/cancel`,
      headers: { authorization: `Bearer ${user.accessToken}` },
    })
    expect(response.statusCode).toBe(202)
    expect(await whenFinished(user, id, ABORT_LIMIT_MS)).toMatchObject({ status: 'cancelled', attempt: 1 })
    expect(performance.now() - askedAt).toBeLessThan(ABORT_LIMIT_MS)
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected'])
  })

  it('of a run that waits for its answer ends the wait', async () => {
    simulator.set({ hang: 'before-headers' })
    const waiting = user.run({ task: 'Take long.' })
    await simulator.received(1)
    const [run] = (await user.request({ url: '/v1/runs' })).json().data
    await cancel(run.id)
    const response = await waiting
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({ id: run.id, status: 'cancelled' })
  })
})

describe('a run that nobody works on', () => {
  it('ends at once while it is queued, and never begins', async () => {
    simulator.set({ hang: 'before-headers' })
    const busy = [await start(), await start()]
    const id = await start()
    expect(await whenRun(user, id, ({ status }) => status === 'pending')).toMatchObject({ queuePosition: 1 })
    const response = await cancel(id)
    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({
      status: 'cancelled',
      startedAt: null,
      attempt: 0,
      usage: { totalTokens: 0 },
    })
    expect(response.json()).not.toHaveProperty('queuePosition')
    expect((await listLog(user, id)).map(({ sequence, type }) => `${sequence} ${type}`)).toEqual(['1 run.cancelled'])
    for (const other of busy) await cancel(other)
    for (const other of busy) await whenFinished(user, other)
    expect(simulator.requests).toHaveLength(2)
  })

  it('ends at once while it waits for a person, who is not asked any more', async () => {
    const id = await start({ task: 'Ask first.', requireApproval: true })
    await whenRun(user, id, ({ status }) => status === 'waiting_approval')
    const pending = async () => (await user.request({ url: '/v1/approvals?status=pending' })).json().data
    const [approval] = await pending()
    expect(approval).toMatchObject({ runId: id })
    const response = await cancel(id)
    expect(response.statusCode).toBe(202)
    expect(response.json().status).toBe('cancelled')
    expect(await pending()).toEqual([])
    const late = await user.request({ method: 'POST', url: `/v1/approvals/${approval.id}/approve`, payload: {} })
    expectProblem(late, { status: 409, code: 'approval_decided' })
    expect(simulator.requests).toHaveLength(0)
  })

  it('asks nobody any more, wherever in its beginning it is caught', async () => {
    for (let delayMs = 0; delayMs < 12; delayMs += 1) {
      const id = await start({ task: 'Ask first.', requireApproval: true })
      await sleep(delayMs)
      expect((await cancel(id)).statusCode).toBe(202)
      expect(await whenFinished(user, id)).toMatchObject({ status: 'cancelled' })
    }
    expect((await user.request({ url: '/v1/approvals?status=pending' })).json().data).toEqual([])
  })
})

describe('a run that has delegated', () => {
  beforeEach(() => delegateTo(simulator, ['One.', 'Two.'], () => ({ hang: 'before-headers' })))

  it('is cancelled with all that it delegated', async () => {
    const id = await start({ task: LEAD }, 'overseer')
    await simulator.received(3)
    expect((await cancel(id)).statusCode).toBe(202)
    await simulator.settled({ timeoutMs: ABORT_LIMIT_MS })
    const children = await listChildren(user, id)
    expect(children).toHaveLength(2)
    for (const child of children) expect(await whenFinished(user, child.id)).toMatchObject({ status: 'cancelled' })
    const parent = await whenFinished(user, id)
    expect(parent.status).toBe('cancelled')
    expect((await listLog(user, id)).filter(({ type }) => type === 'run.cancelled')).toHaveLength(1)
    // The parent had ended before they could count their tokens: these are in its sum all the same.
    const sums = await app.sql('SELECT sum(input_tokens)::int AS input FROM cost_tracking')
    expect((await whenFinished(user, id)).usage.inputTokens).toBe(sums[0]?.['input'])
  })

  it('goes on with what the others deliver when one of them is cancelled', async () => {
    simulator.reset()
    delegateTo(simulator, ['One.', 'Two.'], ({ lastUserText }) =>
      lastUserText === 'One.' ? { hang: 'before-headers' } : { reply: 'Two is done.' },
    )
    const id = await start({ task: LEAD }, 'overseer')
    await simulator.received(3)
    const [one, two] = await listChildren(user, id)
    await whenFinished(user, String(two?.id))
    expect((await cancel(String(one?.id))).statusCode).toBe(202)
    const parent = await whenFinished(user, id)
    expect(parent).toMatchObject({ status: 'completed', output: { text: 'All is done.' } })
    const messages = simulator.requests.at(-1)?.body['messages'] as { role: string; content: string }[]
    const results = messages.filter(({ role }) => role === 'tool')
    expect(results.map(({ content }) => content)).toEqual([
      expect.stringContaining('it was cancelled'),
      expect.stringContaining('Two is done.'),
    ])
  })
})

describe('cancelling is refused', () => {
  it('for a run that has ended, cancelled or otherwise', async () => {
    const { id } = (await user.run({ task: 'Be quick.' })).json()
    const problem = expectProblem(await cancel(id), { status: 409, code: 'run_finished' })
    expect(problem.detail).toBe('This run is completed already.')
    simulator.set({ hang: 'before-headers' })
    const second = await start()
    await cancel(second)
    await whenFinished(user, second)
    expectProblem(await cancel(second), { status: 409, code: 'run_finished' })
  })

  it('to another tenant, as for a run that never was, and to who may only read; it goes on', async () => {
    simulator.set({ hang: 'before-headers' })
    const id = await start()
    const stranger = await TestUser.register(app)
    const viewer = await Colleague.join(app, user, 'viewer')
    const foreign = expectProblem(await cancel(id, stranger), { status: 404, code: 'not_found' })
    const missing = expectProblem(await cancel('0198f7a1-0000-7000-8000-000000000000', stranger), {
      status: 404,
      code: 'not_found',
    })
    expect(foreign.detail).toBe(missing.detail)
    expectProblem(await cancel('nonsense', stranger), { status: 404, code: 'not_found' })
    expectProblem(await cancel(id, viewer), { status: 403, code: 'forbidden' })
    expect(await whenRun(user, id, () => true)).toMatchObject({ status: 'running' })
    await cancel(id)
    await whenFinished(user, id)
  })
})

async function whenLogged(id: string, type: string): Promise<void> {
  while (!(await listLog(user, id)).some((entry) => entry.type === type)) await whenRun(user, id, () => true)
}
