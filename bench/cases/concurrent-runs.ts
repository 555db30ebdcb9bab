/** A hundred waiting runs at once on a model that takes 200 ms: all must complete. */
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, percentile, timed } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const RUNS = 100
const WARM_UP_RUNS = 5
const LATENCY_MS = 200

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator(LATENCY_MS)
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  })

  const client = await registerClient(app.baseUrl)
  for (let index = 0; index < WARM_UP_RUNS; index++) await client.runDeveloper(`Warm up ${index}.`)

  const wall = await timed(() =>
    Promise.allSettled(
      Array.from({ length: RUNS }, (_, index) => timed(() => client.runDeveloper(`Describe the number ${index}.`))),
    ),
  )
  const runsMs = wall.value.flatMap((result) => (result.status === 'fulfilled' ? [result.value.ms] : []))
  const failures = wall.value.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
  return {
    table: [
      {
        runs: RUNS,
        completed: runsMs.length,
        'wall ms': Math.round(wall.ms),
        'ideal ms': LATENCY_MS,
        'wall / ideal': (wall.ms / LATENCY_MS).toFixed(1),
        'median ms': Math.round(median(runsMs)),
        'p99 ms': Math.round(percentile(runsMs, 99)),
      },
    ],
    checks: [
      {
        what: 'runs completed',
        value: `${runsMs.length} of ${RUNS}`,
        target: 'all',
        met: runsMs.length === RUNS,
      },
    ],
    notes: ['ideal: the latency of one call, as if all ran side by side at no cost', ...new Set(failures)],
    errors: failures.length,
    measurements: { wallMs: wall.ms, runsMs },
  }
}
