/** A thousand schedules due at the same instant, of fifty tenants and of one, on one replica and on three: how late each fires. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { type Lateness, ScheduleVerdict } from '../../test/support/chaos/schedule-verdict.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { type Database, withClient } from '../support/postgres.ts'
import { addOwners, plantSchedules, removeSchedules, type ScheduleOwners, secondAhead } from '../support/schedules.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const SCHEDULES = 1000
const TENANTS = 50
const MAX_REPLICAS = 3
const MAX_ROUNDS = 5
const AN_HOUR_SECONDS = 3600
const AHEAD_MS = 1500
const LIMIT_MS = 60_000
const POLL_MS = 50
const WATCH_POLL_MS = 3
const MAX_P50_MS = 100
const MAX_P99_MS = 1000

interface Burst {
  readonly replicas: number
  readonly tenants: number
  readonly rounds: Round[]
}

interface Round extends Lateness {
  /** Until half of them could be seen by others. */
  readonly halfSeenMs: number
}

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 0 })
  await using replicas = new AsyncDisposableStack()
  const bursts: Burst[] = []
  let running = 1
  let faults = 0
  const settings = {
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  }
  const first = replicas.use(await startApp(settings))
  await withClient(database.url, async (sql) => {
    const owners = await addOwners(sql, first.baseUrl, TENANTS)
    const measure = async (some: ScheduleOwners, rounds: Round[]): Promise<void> => {
      const { round, faulty } = await burst(sql, some)
      faults += faulty
      rounds.push(round)
    }
    for (const count of [1, MAX_REPLICAS]) {
      for (; running < count; running++) replicas.use(await startApp(settings))
      const all: Burst = { replicas: count, tenants: TENANTS, rounds: [] }
      const one: Burst = { replicas: count, tenants: 1, rounds: [] }
      await warmUp(sql, owners, database)
      for (let round = 0; round < Math.min(options.rounds, MAX_ROUNDS); round++) {
        await measure(owners, all.rounds)
        await measure({ ...owners, tenantIds: owners.tenantIds.slice(0, 1) }, one.rounds)
      }
      bursts.push(all, one)
    }
  })
  return {
    table: bursts.map(({ replicas: count, tenants, rounds }) => ({
      replicas: count,
      tenants,
      'p50 ms late': middle(rounds, 'p50').toFixed(0),
      'half seen, ms': middle(rounds, 'halfSeenMs').toFixed(0),
      'p99 ms late': middle(rounds, 'p99').toFixed(0),
      'latest ms': middle(rounds, 'max').toFixed(0),
    })),
    checks: bursts
      .filter(({ replicas: count }) => count === MAX_REPLICAS)
      .flatMap(({ tenants, rounds }) => [
        check(`p50 of ${tenants} tenants`, middle(rounds, 'p50'), MAX_P50_MS),
        check(`p99 of ${tenants} tenants`, middle(rounds, 'p99'), MAX_P99_MS),
      ]),
    notes: [
      `${SCHEDULES} due at one instant, from due to fired on the database's clock; medians of ${bursts[0]?.rounds.length} rounds`,
      '“seen”: until others could see half of them, polled every 3 ms',
      'their runs, on a model without latency, begin meanwhile on the same cores',
    ],
    errors: faults,
    measurements: { bursts },
  }
}

async function warmUp(sql: Client, owners: ScheduleOwners, database: Database): Promise<void> {
  for (let round = 0; round < 2; round++) await burst(sql, owners)
  await database.analyze()
}

async function burst(sql: Client, owners: ScheduleOwners): Promise<{ round: Round; faulty: number }> {
  const firstDueAt = await secondAhead(sql, AHEAD_MS)
  await plantSchedules(sql, owners, { count: SCHEDULES, everySeconds: AN_HOUR_SECONDS, firstDueAt })
  const verdict = new ScheduleVerdict(async (text, values) => (await sql.query(text, values)).rows, firstDueAt)
  const halfSeenMs = await untilSeen(sql, firstDueAt, SCHEDULES / 2)
  const deadline = Date.now() + LIMIT_MS
  while ((await verdict.open()) > 0) {
    if (Date.now() > deadline) throw new Error(`${await verdict.open()} of ${SCHEDULES} are not over`)
    await delay(POLL_MS)
  }
  const lateness = await verdict.lateness()
  const faulty = (await verdict.missed()).length + (await verdict.repeated()).length
  await removeSchedules(sql)
  await sql.query('DELETE FROM runs')
  return { round: { ...lateness, halfSeenMs }, faulty }
}

/** How long after they are due so many executions can be seen, on the database's clock and to some milliseconds. */
async function untilSeen(sql: Client, dueAt: Date, count: number): Promise<number> {
  const deadline = Date.now() + LIMIT_MS
  while (Date.now() < deadline) {
    const { rows } = await sql.query<{ seen: boolean; ms: number }>(
      `SELECT count(*) >= $2 AS seen, extract(epoch FROM clock_timestamp() - $1)::float8 * 1000 AS ms FROM task_executions`,
      [dueAt, count],
    )
    if (rows[0]?.seen) return rows[0].ms
    await delay(WATCH_POLL_MS)
  }
  throw new Error(`fewer than ${count} executions are to be seen`)
}

function middle(rounds: readonly Round[], figure: 'p50' | 'p99' | 'max' | 'halfSeenMs'): number {
  return median(rounds.map((round) => round[figure]))
}

function check(what: string, ms: number, maxMs: number) {
  return { what, value: `${ms.toFixed(0)} ms`, target: `≤ ${maxMs} ms`, met: ms <= maxMs }
}
