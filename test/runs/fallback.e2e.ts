import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { ModelSimulator } from '../support/model-simulator.js'
import { createAgent } from '../support/own-agent.js'
import { listLog, simulatorEnv } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const FIRST = 'openai/gpt-4o-mini'
const SERVERS = 'anthropic/claude-sonnet-4-20250514'
const AGENTS = 'openai/gpt-5-mini'
const USAGE = { promptTokens: 100, completionTokens: 10 }

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  // Circuits have tests of their own.
  const env = { ...simulatorEnv(simulator), FALLBACK_MODELS: SERVERS, MODEL_CIRCUIT_FAILURES: '1000' }
  app = await TestApp.start({ env })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const billed = async (id: string) =>
  app.sql('SELECT model, is_estimated FROM cost_tracking WHERE run_id = $1 ORDER BY created_at, id', [id])

describe("when a run's model fails", () => {
  it("the server's stand-in answers, and is the one that is billed", async () => {
    simulator
      .set({ reply: 'Here.', usage: USAGE })
      .when(({ model }) => (model === 'gpt-4o-mini' ? { failure: { status: 500 } } : null))
    const run = (await user.run({ task: 'Answer.' })).json()
    expect(run).toMatchObject({ status: 'completed', model: FIRST, output: { text: 'Here.' }, attempt: 1 })
    expect(simulator.requests.map(({ model }) => model)).toEqual(['gpt-4o-mini', 'claude-sonnet-4-20250514'])
    expect(await billed(run.id)).toEqual([{ model: SERVERS, is_estimated: false }])
    // 100 tokens at 3 dollars a million, and 10 at 15.
    expect(run.costUsd).toBe('0.00045')
    const finished = (await listLog(user, run.id)).find(({ type }) => type === 'step.finished')
    expect(finished?.data).toMatchObject({ name: FIRST, model: SERVERS })
  })

  it("the agent's own stand-ins go before the server's", async () => {
    await createAgent(user, { slug: 'careful', fallbackModels: [AGENTS] })
    await createAgent(user, { slug: 'strict', fallbackModels: [] })
    simulator.when(({ model }) => (model === 'gpt-4o-mini' ? { failure: { status: 500 } } : null))
    const careful = (await user.run({ task: 'Answer.' }, { agent: 'careful' })).json()
    expect(careful.status).toBe('completed')
    expect(await billed(careful.id)).toEqual([{ model: AGENTS, is_estimated: false }])
    const strict = (await user.run({ task: 'Answer.' }, { agent: 'strict' })).json()
    expect(strict).toMatchObject({ status: 'failed', error: { code: 'model_failed' } })
    expect(simulator.requests.map(({ model }) => model)).toEqual(['gpt-4o-mini', 'gpt-5-mini', 'gpt-4o-mini'])
  })

  it('in the middle of an answer, what it said stays, the seam is told, and both are billed', async () => {
    simulator.when(({ model }) =>
      model === 'gpt-4o-mini'
        ? { reply: 'One two three four five', hangUp: { afterChunks: 4 } }
        : { reply: 'and six.', usage: USAGE },
    )
    const run = (await user.run({ task: 'Count.' })).json()
    const log = await listLog(user, run.id)
    const deltas = log.filter(({ type }) => type === 'output.delta')
    const seam = deltas.find(({ data }) => 'seam' in data)
    const said = deltas
      .slice(0, deltas.indexOf(seam ?? deltas[0]!))
      .map(({ data }) => String(data['text']))
      .join('')
    expect(said).toMatch(/^One two/)
    expect(seam?.data['seam']).toEqual({ from: FIRST, to: SERVERS, keptCharacters: said.length })
    expect(run).toMatchObject({ status: 'completed', output: { text: `${said}and six.` } })
    expect(deltas.map(({ data }) => data['text']).join('')).toBe(run.output.text)
    expect(await billed(run.id)).toEqual([
      { model: FIRST, is_estimated: true },
      { model: SERVERS, is_estimated: false },
    ])
    expect(run.usage.inputTokens).toBeGreaterThan(USAGE.promptTokens)
  })

  it('and so do all others, the run fails, and says of each what went wrong', async () => {
    simulator.set({ failure: { status: 500 } })
    const run = (await user.run({ task: 'Answer.' })).json()
    expect(run).toMatchObject({ status: 'failed', error: { code: 'model_failed' }, usage: { totalTokens: 0 } })
    expect(run.error.detail).toContain(FIRST)
    expect(run.error.detail).toContain(SERVERS)
    expect(await billed(run.id)).toEqual([])
  })
})
