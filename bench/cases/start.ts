/** From the start of `node dist/main.js`, its own PostgreSQL included, to the first 200 on `/health/readiness`. */
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const RESTARTS = 5
const MAX_RESTART_MS = 2_000

export const run: BenchCase = async () => {
  await using directory = await createTemporaryDirectory()
  const firstMs = await startOnce(directory.path)
  const restartsMs: number[] = []
  for (let index = 0; index < RESTARTS; index++) restartsMs.push(await startOnce(directory.path))

  const restartMs = median(restartsMs)
  return {
    table: [
      {
        start: 'first, on an empty data directory',
        'median ms': Math.round(firstMs),
        'slowest ms': Math.round(firstMs),
      },
      {
        start: `restart (${RESTARTS} times)`,
        'median ms': Math.round(restartMs),
        'slowest ms': Math.round(Math.max(...restartsMs)),
      },
    ],
    checks: [
      {
        what: 'restart to ready, median',
        value: `${Math.round(restartMs)} ms`,
        target: `≤ ${MAX_RESTART_MS} ms`,
        met: restartMs <= MAX_RESTART_MS,
      },
    ],
    notes: ['built already; each start follows a clean stop'],
    errors: 0,
    measurements: { firstMs, restartsMs },
  }
}

async function startOnce(dataDirectory: string): Promise<number> {
  await using app = await startApp({ dataDirectory })
  return app.readyAfterMs
}
