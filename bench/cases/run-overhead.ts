/**
 * What a run costs beside the model: a waiting `POST /v1/agents/developer/run` on a simulator that answers at once,
 * against the same simulator called with the AI SDK from this process; one at a time, in turn.
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText } from 'ai'
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { SIMULATED_MODEL, SIMULATOR_KEY, simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, timed, toLatencyRow } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { WARM_UP_RUNS } from '../support/warm-up.ts'

const MAX_RUN_MS = 5
/** The direct calls leave garbage in this process, which times both. */
const RUNS_IN_TURN = 50

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 0 })
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  })

  const client = await registerClient(app.baseUrl)
  const provider = createOpenAICompatible({ name: 'simulator', baseURL: simulator.baseUrl, apiKey: SIMULATOR_KEY })
  const model = provider(SIMULATED_MODEL)
  // A different task each time: a cached answer would not reach the model.
  const throughUs = async (task: string) => (await timed(() => client.runDeveloper(task))).ms
  const direct = async (task: string) => (await timed(() => generateText({ model, prompt: task, maxRetries: 0 }))).ms

  const firstMs: number[] = []
  for (let index = 0; index < WARM_UP_RUNS; index++) {
    const ms = await throughUs(`Warm up ${index}.`)
    if (index < options.runs) firstMs.push(ms)
  }
  await database.analyze()

  const oursMs: number[] = []
  const directMs: number[] = []
  for (let done = 0; done < options.runs; done += RUNS_IN_TURN) {
    const tasks = Array.from({ length: RUNS_IN_TURN }, (_, index) => `Write a function that adds ${done + index}.`)
    for (const task of tasks) oursMs.push(await throughUs(task))
    for (const task of tasks) directMs.push(await direct(task))
  }

  const overheadMs = median(oursMs) - median(directMs)
  const ratio = median(oursMs) / median(directMs)
  return {
    table: [
      toLatencyRow('TempoNest, waiting run', oursMs),
      toLatencyRow('the same, the first ones of a new server', firstMs),
      toLatencyRow('AI SDK, direct call', directMs),
    ],
    checks: [
      {
        what: 'waiting run, median',
        value: `${median(oursMs).toFixed(1)} ms`,
        target: `≤ ${MAX_RUN_MS} ms`,
        met: median(oursMs) <= MAX_RUN_MS,
      },
    ],
    notes: [
      `a run adds ${overheadMs.toFixed(1)} ms to the call: ${ratio.toFixed(1)} × the direct one`,
      `${oursMs.length} of each, one at a time, ${RUNS_IN_TURN} in turn, after ${WARM_UP_RUNS} runs, on a simulator with 0 ms latency`,
    ],
    errors: 0,
    measurements: { oursMs, firstMs, directMs },
  }
}
