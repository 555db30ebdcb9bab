import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { ModelSimulator } from '../support/model-simulator.js'
import { simulatorEnv } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const outputSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['city', 'population'],
  properties: { city: { type: 'string' }, population: { type: 'integer' } },
}
const VALID = '{"city":"Paris","population":2100000}'
const USAGE = { promptTokens: 100, completionTokens: 10 }

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: simulatorEnv(simulator) })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const describeParis = async () => (await user.run({ task: 'Describe Paris.', outputSchema })).json()

describe('an answer that does not match outputSchema', () => {
  it('may be repaired once: the model is told what is wrong, and both answers are paid for', async () => {
    simulator.set({ reply: VALID, usage: USAGE }).next({ reply: '{"city":"Paris","population":"many"}', usage: USAGE })
    const run = await describeParis()
    expect(run).toMatchObject({
      status: 'completed',
      output: { text: VALID, data: { city: 'Paris', population: 2_100_000 } },
      usage: { inputTokens: 200, outputTokens: 20 },
      costUsd: '0.000042',
    })
    const [, repair] = simulator.requests
    expect(simulator.requests).toHaveLength(2)
    const messages = repair?.body['messages'] as { role: string; content: unknown }[]
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(JSON.stringify(messages[2])).toContain('many')
    expect(repair?.lastUserText).toMatch(/does not match the JSON Schema.*population.*integer/s)
    const steps = await app.sql(
      'SELECT position, status, request ? $2 AS repairs, input_tokens::int AS input FROM run_steps WHERE run_id = $1 ORDER BY 1',
      [run.id, 'repair'],
    )
    expect(steps).toEqual([
      { position: 1, status: 'completed', repairs: false, input: 100 },
      { position: 2, status: 'completed', repairs: true, input: 100 },
    ])
  })

  it('fails the run when it is wrong again: never silently, and never a third time', async () => {
    simulator.set({ reply: '{"city":"Paris"}', usage: USAGE })
    const run = await describeParis()
    expect(run).toMatchObject({
      status: 'failed',
      output: null,
      error: { code: 'output_invalid', detail: expect.stringContaining('population') },
      usage: { inputTokens: 200, outputTokens: 20 },
    })
    expect(simulator.requests).toHaveLength(2)
  })

  it('is not repaired when a step more would be one too many', async () => {
    simulator.set({ reply: 'no JSON', usage: USAGE })
    const run = (await user.run({ task: 'Describe Paris.', outputSchema, limits: { maxSteps: 1 } })).json()
    expect(run).toMatchObject({ status: 'failed', error: { code: 'limit_exceeded' }, usage: { inputTokens: 100 } })
    expect(simulator.requests).toHaveLength(1)
  })
})
