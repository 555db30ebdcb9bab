import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const RUNS = 100
const LATENCY_MS = 200
/** Twenty times what the model takes: room for a busy machine, and far below one after the other. */
const LIMIT_MS = 4000

describe('100 requests that wait at once', () => {
  let simulator: ModelSimulator
  let app: TestApp

  beforeAll(async () => {
    simulator = await ModelSimulator.start({
      latencyMs: LATENCY_MS,
      // Different for each, so that a mixed-up answer or cost shows.
      reply: ({ lastUserText }) => `Answer to ${lastUserText}`,
      usage: ({ id }) => ({
        promptTokens: 1000 + id,
        cachedTokens: id,
        completionTokens: 10 * id,
        reasoningTokens: id,
      }),
    })
    app = await TestApp.start({
      env: { OPENAI_BASE_URL: simulator.baseUrl, OPENAI_API_KEY: 'test', DEFAULT_MODEL: 'openai/gpt-4o-mini' },
    })
  })
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]()
    await simulator?.stop()
  })

  it('are all answered, each with its own answer, and every token is booked once', async () => {
    const baseUrl = await app.listen()
    const user = await TestUser.register(app)
    const startedAt = performance.now()
    const responses = await Promise.all(
      Array.from({ length: RUNS }, (_, index) =>
        fetch(`${baseUrl}/v1/agents/developer/run`, {
          method: 'POST',
          headers: { authorization: `Bearer ${user.accessToken}`, 'content-type': 'application/json' },
          body: JSON.stringify({ task: `Task ${index}` }),
        }),
      ),
    )
    const runs = (await Promise.all(responses.map((response) => response.json()))) as {
      id: string
      status: string
      attempt: number
      output: { text: string }
      costUsd: string
    }[]
    const elapsedMs = performance.now() - startedAt

    expect(responses.map(({ status }) => status)).toEqual(Array(RUNS).fill(200))
    expect(runs.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual(Array(RUNS).fill('completed 1'))
    expect(runs.map(({ output }) => output.text)).toEqual(runs.map((_, index) => `Answer to Task ${index}`))
    expect(elapsedMs).toBeLessThan(LIMIT_MS)
    expect(simulator.totals.requests).toBe(RUNS)

    const { totals } = simulator
    const [sums] = await withClient(app.database.url, async (client) => {
      const { rows } = await client.query(
        `SELECT count(*) AS entries, count(DISTINCT run_id) AS runs, sum(input_tokens) AS input,
                sum(cached_input_tokens) AS cached, sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning,
                trim_scale(sum(cost_usd)) AS cost FROM cost_tracking`,
      )
      return rows
    })
    expect(sums).toEqual({
      entries: `${RUNS}`,
      runs: `${RUNS}`,
      input: `${totals.promptTokens}`,
      cached: `${totals.cachedTokens}`,
      output: `${totals.completionTokens}`,
      reasoning: `${totals.reasoningTokens}`,
      // 100 000 input at 0.15, 5050 cached at 0.075 and 50 500 output at 0.60 US dollars for a million.
      cost: '0.04567875',
    })
    expect(totals.promptTokens).toBe(105_050)
  }, 20_000)
})
