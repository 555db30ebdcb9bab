/**
 * What budgets add to a run: a waiting `POST /v1/agents/developer/run` of a tenant without any, and of one with budgets of the
 * tenant, the agent and the project; one at a time, in turn, on a simulator that answers at once and costs something.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { createClient, send } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { SIMULATED_MODEL, simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, timed, toLatencyRow } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const WARM_UP_RUNS = 20
const MAX_ADDED_MS = 1
const PRICES = { [`openai/${SIMULATED_MODEL}`]: { inputUsdPerMillion: '0.25', outputUsdPerMillion: '2' } }
const BUDGETS = [
  { scope: 'tenant', period: 'month' },
  { scope: 'agent', scopeId: 'developer', period: 'day' },
  { scope: 'project', scopeId: 'bench', period: 'day' },
]
const registrationSchema = z.object({ accessToken: z.string(), tenant: z.object({ id: z.string() }) })

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 0 })
  const prices = join(directory.path, 'prices.json')
  await writeFile(prices, JSON.stringify(PRICES))
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: { ...simulatorEnvironment(simulator), MODEL_PRICES_FILE: prices },
  })

  const [without, withBudgets] = [await register(app.baseUrl, 'without'), await register(app.baseUrl, 'with')]
  for (const { headers } of [without, withBudgets]) {
    await send(`${app.baseUrl}/v1/projects`, { method: 'POST', status: 201, body: { name: 'Bench' }, headers })
  }
  for (const budget of BUDGETS) {
    const body = { ...budget, limitUsd: '1000000' }
    const { headers } = withBudgets
    await send(`${app.baseUrl}/v1/costs/budgets`, { method: 'POST', status: 201, body, headers })
  }
  const withoutMs: number[] = []
  const withMs: number[] = []
  for (let index = -WARM_UP_RUNS; index < options.runs; index++) {
    const task = `Write a function that adds ${index} to a number.`
    const plain = (await timed(() => without.runDeveloper(task, { project: 'bench' }))).ms
    const counted = (await timed(() => withBudgets.runDeveloper(task, { project: 'bench' }))).ms
    if (index < 0) continue
    withoutMs.push(plain)
    withMs.push(counted)
  }

  const addedMs = median(withMs) - median(withoutMs)
  return {
    table: [toLatencyRow('no budget', withoutMs), toLatencyRow('three hard budgets', withMs)],
    checks: [
      {
        what: 'added to a run, median',
        value: `${addedMs.toFixed(2)} ms`,
        target: `≤ ${MAX_ADDED_MS} ms`,
        met: addedMs <= MAX_ADDED_MS,
      },
    ],
    notes: [`${options.runs} of each, one at a time, in turn, on a simulator with 0 ms latency`],
    errors: 0,
    measurements: { withoutMs, withMs },
  }
}

async function register(baseUrl: string, name: string) {
  const body = { email: `${name}@example.com`, password: 'Bench-Password-1', name: 'Bench', tenantName: name }
  const answer = await send(`${baseUrl}/v1/auth/register`, { method: 'POST', status: 201, body })
  const { accessToken, tenant } = registrationSchema.parse(answer)
  return createClient(baseUrl, { accessToken, tenantId: tenant.id })
}
