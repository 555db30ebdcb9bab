import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { AppHome } from '../support/app-process.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'

jest.setTimeout(60_000)

/** In a process of its own: under Jest the error of `fetch` is of another realm, and the AI SDK does not know it. */
describe('a provider that hangs up', () => {
  let simulator: ModelSimulator
  let database: TestDatabase
  let home: AppHome
  let user: HttpUser

  beforeAll(async () => {
    simulator = await ModelSimulator.start()
    database = await createTestDatabase()
    home = await AppHome.create()
    const app = home.start({
      DATABASE_URL: database.url,
      OPENAI_BASE_URL: simulator.baseUrl,
      OPENAI_API_KEY: 'test',
      DEFAULT_MODEL: 'openai/gpt-4o-mini',
      MODEL_MAX_RETRIES: '1',
    })
    user = await HttpUser.register(await app.ready())
  })
  afterEach(() => simulator.reset())
  afterAll(async () => {
    await home?.[Symbol.asyncDispose]()
    await database?.[Symbol.asyncDispose]()
    await simulator?.stop()
  })

  it('is asked again within the same attempt', async () => {
    simulator.next({ hangUp: 'before-headers' })
    const run = (await (await user.run({ task: 'Say hello.' })).json()) as RunAnswer
    expect(run).toMatchObject({ status: 'completed', attempt: 1 })
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['hung-up', 'answered'])
  })

  it('fails the run when it goes on', async () => {
    simulator.set({ hangUp: 'before-headers' })
    const run = (await (await user.run({ task: 'Say hello.' })).json()) as RunAnswer
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'model_failed', detail: 'openai/gpt-4o-mini: the provider could not be reached.' },
    })
    expect(simulator.requests).toHaveLength(2)
  })
})
