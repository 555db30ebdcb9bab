import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { type Requester, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const RUN_URL = '/v1/agents/developer/run'
/** gpt-4o-mini asks 0.15 US dollars for a million tokens of input. */
const USAGE_OF_15_CENTS = { promptTokens: 1_000_000, completionTokens: 0 }

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' },
  })
})
beforeEach(async () => {
  simulator.set({ usage: USAGE_OF_15_CENTS })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

function run(who: Requester, payload: object = {}) {
  return who.request({ method: 'POST', url: RUN_URL, payload: { task: 'Spend.', ...payload } })
}

async function expectRun(who: Requester, payload: object = {}): Promise<void> {
  const response = await run(who, payload)
  expect([response.statusCode, response.json()]).toEqual([200, expect.objectContaining({ status: 'completed' })])
}

async function spentUsd(key: TestApiKey): Promise<string> {
  return (await user.request({ method: 'GET', url: `/v1/api-keys/${key.id}` })).json().spentUsd
}

describe('the budget of an API key', () => {
  it('ends its runs once they have cost as much, and shows what they cost', async () => {
    const key = await TestApiKey.create(app, user, { budgetUsd: '0.3' })
    await expectRun(key)
    expect(await spentUsd(key)).toBe('0.15')
    await expectRun(key)
    expect(await spentUsd(key)).toBe('0.3')
    const refused = expectProblem(await run(key), { status: 402, code: 'budget_exceeded', instance: RUN_URL })
    expect(refused.detail).toMatch(
      new RegExp(`^The budget of the API key ${key.id} .*: 0.3 US dollars in all, of which 0.3 are spent`),
    )
    expect(simulator.requests).toHaveLength(2)
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 2 })
  })

  it('is not overrun by a run that could cost more', async () => {
    const key = await TestApiKey.create(app, user, { budgetUsd: '0.000000000001' })
    expectProblem(await run(key), { status: 402, code: 'budget_exceeded' })
    expect(await spentUsd(key)).toBe('0')
    expect(simulator.requests).toEqual([])
  })

  it('of nothing lets no run in but one that is free', async () => {
    const key = await TestApiKey.create(app, user, { budgetUsd: '0' })
    expectProblem(await run(key), { status: 402, code: 'budget_exceeded' })
    await expectRun(key, { model: 'offline/extractive' })
    expect((await key.request({ url: '/v1/runs' })).statusCode).toBe(200)
  })

  it('is not touched by what its maker, or another key of his, spends', async () => {
    const [key, other] = [
      await TestApiKey.create(app, user, { budgetUsd: '0.1' }),
      await TestApiKey.create(app, user, { budgetUsd: '0.1' }),
    ]
    await expectRun(user)
    await expectRun(other)
    expect(await spentUsd(key)).toBe('0')
    await expectRun(key)
    expectProblem(await run(key), { status: 402, code: 'budget_exceeded' })
    await expectRun(user)
  })

  it('counts runs that cost nothing, or that nobody can price, as nothing', async () => {
    const key = await TestApiKey.create(app, user, { budgetUsd: '0.1' })
    await expectRun(key, { model: 'offline/extractive' })
    await expectRun(key, { model: 'openai/gpt-3.5-turbo-16k' })
    expect(await spentUsd(key)).toBe('0')
    await expectRun(key)
  })

  it('is none without one: the key spends, and it shows', async () => {
    const key = await TestApiKey.create(app, user)
    for (let time = 0; time < 3; time++) await expectRun(key)
    expect(await spentUsd(key)).toBe('0.45')
  })
})
