/** A waiting run that a kept answer answers (`cache: "use"`, the same task again), one at a time. */
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, timed, toLatencyRow } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { WARM_UP_RUNS } from '../support/warm-up.ts'

/** A model that no hit may have to wait for. */
const LATENCY_MS = 500
const TASK = 'Write a function that reverses a string, and say how it works.'
const MAX_HIT_MS = 5

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: LATENCY_MS })
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  })
  const client = await registerClient(app.baseUrl)
  const asked = await client.runDeveloper(TASK, { cache: 'use' })

  const hit = async (): Promise<number> => {
    const { ms, value } = await timed(() => client.runDeveloper(TASK, { cache: 'use' }))
    if (value.cache !== 'hit' || value.output?.text !== asked.output?.text) {
      throw new Error(`run ${value.id} was no hit: ${JSON.stringify(value)}`)
    }
    return ms
  }
  const firstMs: number[] = []
  for (let index = 0; index < WARM_UP_RUNS; index++) {
    const ms = await hit()
    if (index < options.runs) firstMs.push(ms)
  }
  await database.analyze()

  const hitMs: number[] = []
  for (let index = 0; index < options.runs; index++) hitMs.push(await hit())
  const medianMs = median(hitMs)
  return {
    table: [toLatencyRow('hit, waiting run', hitMs), toLatencyRow('the same, the first ones of a new server', firstMs)],
    checks: [
      {
        what: 'hit, median',
        value: `${medianMs.toFixed(1)} ms`,
        target: `≤ ${MAX_HIT_MS} ms`,
        met: medianMs <= MAX_HIT_MS,
      },
    ],
    notes: [`${options.runs} hits, one at a time, after ${WARM_UP_RUNS}; the model would take ${LATENCY_MS} ms`],
    errors: 0,
    measurements: { hitMs, firstMs },
  }
}
