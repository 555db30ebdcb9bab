/** What a replica costs that has nothing to do: with no schedules, and with ten thousand that are due another day. Linux only. */
import { setTimeout as delay } from 'node:timers/promises'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { withClient } from '../support/postgres.ts'
import { backendCpuSeconds, cpuSeconds } from '../support/process-cpu.ts'
import { addOwners, plantSchedules, removeSchedules } from '../support/schedules.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const SCHEDULES = 10_000
const TENANTS = 50
const A_DAY_SECONDS = 86_400
const SETTLE_MS = 15_000
const WINDOW_MS = 60_000
const MAX_ROUNDS = 2
const MAX_PERCENT = 2

interface Cost {
  readonly replicaPercent: number
  readonly databasePercent: number
}

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url })
  const name = new URL(database.url).pathname.slice(1)

  const measure = async (): Promise<Cost> => {
    await delay(SETTLE_MS)
    const before = { at: performance.now(), replica: cpuSeconds(app.pid), database: backendCpuSeconds(name) }
    await delay(WINDOW_MS)
    const seconds = (performance.now() - before.at) / 1000
    const used = [...backendCpuSeconds(name)].reduce(
      (sum, [pid, now]) => sum + now - (before.database.get(pid) ?? 0),
      0,
    )
    return {
      replicaPercent: (100 * (cpuSeconds(app.pid) - before.replica)) / seconds,
      databasePercent: (100 * used) / seconds,
    }
  }
  const [without, full] = await withClient(database.url, async (sql) => {
    const owners = await addOwners(sql, app.baseUrl, TENANTS)
    const costs: [Cost[], Cost[]] = [[], []]
    for (let round = 0; round < Math.min(options.rounds, MAX_ROUNDS); round++) {
      await removeSchedules(sql)
      costs[0].push(await measure())
      const firstDueAt = new Date(Date.now() + A_DAY_SECONDS * 1000)
      await plantSchedules(sql, owners, { count: SCHEDULES, everySeconds: A_DAY_SECONDS, firstDueAt })
      await database.analyze()
      costs[1].push(await measure())
    }
    return costs
  })
  const percent = median(full.map(({ replicaPercent }) => replicaPercent))
  return {
    table: [describe('none', without), describe(`${SCHEDULES}, due tomorrow`, full)],
    checks: [
      {
        what: `a replica with ${SCHEDULES} schedules, of a core`,
        value: `${percent.toFixed(2)} %`,
        target: `≤ ${MAX_PERCENT} %`,
        met: percent <= MAX_PERCENT,
      },
    ],
    notes: [
      `over ${WINDOW_MS / 1000} s, ${SETTLE_MS / 1000} s after the change, in turn, ${full.length} rounds; all that an idle replica does, of which the scheduler is a part`,
    ],
    errors: 0,
    measurements: { without, full },
  }
}

function describe(what: string, costs: readonly Cost[]) {
  return {
    schedules: what,
    'replica, % of a core': median(costs.map(({ replicaPercent }) => replicaPercent)).toFixed(2),
    "PostgreSQL's backends, %": median(costs.map(({ databasePercent }) => databasePercent)).toFixed(2),
  }
}
