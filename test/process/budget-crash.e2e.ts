import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Budget } from '../../src/modules/costs/budgets/budgets.schemas.js'
import { AppHome } from '../support/app-process.js'
import { eventually } from '../support/eventually.js'
import { HttpUser, type RunAnswer } from '../support/http-user.js'
import { ModelSimulator } from '../support/model-simulator.js'

jest.setTimeout(60_000)
/** A US dollar a word. */
const MODEL = 'openai/words'
const PRICES = { [MODEL]: { inputUsdPerMillion: '0', outputUsdPerMillion: '1000000' } }
const BUDGET = { scope: 'tenant', period: 'total', limitUsd: '15' }
const TEN_WORDS = { task: 'Survive.', limits: { maxTokens: 10 } }
/** The lease, the sweeps of runs and of reservations, and some air. */
const RECOVERY_LIMIT_MS = 20_000

let simulator: ModelSimulator
let home: AppHome
let folder: string

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  home = await AppHome.create()
  folder = await mkdtemp(join(tmpdir(), 'temponest-budget-crash-'))
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await simulator?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('kill -9 during a call that a budget pays for', () => {
  it('costs the budget what was used, and holds nothing back for longer than the lease', async () => {
    const prices = join(folder, 'prices.json')
    await writeFile(prices, JSON.stringify(PRICES))
    const env = {
      OPENAI_BASE_URL: simulator.baseUrl,
      OPENAI_API_KEY: 'test',
      DEFAULT_MODEL: MODEL,
      MODEL_PRICES_FILE: prices,
      RUN_LEASE_MS: '2000',
    }
    const app = home.start(env)
    const user = await HttpUser.register(await app.ready())
    const { id: budgetId } = await user.ask<Budget>('/v1/costs/budgets', BUDGET)
    simulator.next({ hang: 'before-headers' })
    const { id } = (await (await user.run(TEN_WORDS, { prefer: 'respond-async' })).json()) as RunAnswer
    await simulator.received(1)
    const getBudget = (who: HttpUser) => who.ask<Budget>(`/v1/costs/budgets/${budgetId}`)
    expect(await getBudget(user)).toMatchObject({ spentUsd: '0', reservedUsd: '10' })
    expect((await user.run(TEN_WORDS)).status).toBe(402)
    await app.stop('SIGKILL')

    const again = await HttpUser.login(await home.start(env).ready(), user.email)
    // What holds its place in the meantime is what it reserves when it is taken up again.
    expect(await again.whenFinished(id, RECOVERY_LIMIT_MS)).toMatchObject({ status: 'completed', attempt: 2 })
    const settled = await eventually(
      () => getBudget(again),
      ({ reservedUsd }) => reservedUsd === '0',
    )
    // "Simulated answer to: Survive."; of the call that was killed nothing had come.
    expect(settled).toMatchObject({ spentUsd: '4', remainingUsd: '11' })
    expect((await again.run(TEN_WORDS)).status).toBe(200)
  })
})
