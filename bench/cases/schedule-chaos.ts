/**
 * Ten thousand schedules of fifty tenants on three replicas, a thousand of them due at the same instant of each minute, when one of the
 * replicas is killed: what the rows say of due times that were fired twice, or never, and how late the others were.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Lateness, ScheduleVerdict } from '../../test/support/chaos/schedule-verdict.ts'
import { type AppProcess, startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { withClient } from '../support/postgres.ts'
import { addOwners, plantSchedules, secondAhead } from '../support/schedules.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const TENANTS = 50
const REPLICAS = 3
const MINUTELY = { name: 'minutely', count: 1000, everySeconds: 60 }
const HOURLY = { name: 'hourly', count: 9000, everySeconds: 3600, spreadMs: 3_600_000 }
const MS_PER_MINUTE = 60_000
/** The first instant is a warm-up. */
const AHEAD_MS = 5000
/** When a replica dies, after the instant: amidst the firing, amidst the runs, and out of the blue. */
const KILL_AFTER_MS = [50, 150, 300, 1000, 30_000]
const SETTLE_LIMIT_MS = 120_000
const POLL_MS = 500
const MAX_P50_MS = 100
const MAX_P99_MS = 1000

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 0 })
  const settings = {
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  }
  const replicas: (AppProcess & AsyncDisposable)[] = []
  await using stack = new AsyncDisposableStack()
  for (let index = 0; index < REPLICAS; index++) replicas.push(stack.use(await startApp(settings)))
  const kill = async (index: number): Promise<void> => {
    const victim = replicas[index]!
    victim.child.kill('SIGKILL')
    await victim.ended
    replicas[index] = stack.use(await startApp(settings))
  }

  return await withClient(database.url, async (sql) => {
    const owners = await addOwners(sql, replicas[0]!.baseUrl, TENANTS)
    const firstDueAt = await secondAhead(sql, AHEAD_MS)
    await plantSchedules(sql, owners, { ...MINUTELY, firstDueAt })
    await plantSchedules(sql, owners, { ...HOURLY, firstDueAt })
    await database.analyze()
    const dueAt = (minute: number): number => firstDueAt.getTime() + minute * MS_PER_MINUTE
    for (let minute = 1; minute <= options.minutes; minute++) {
      await delay(Math.max(0, dueAt(minute) - Date.now() + KILL_AFTER_MS[(minute - 1) % KILL_AFTER_MS.length]!))
      await kill(minute % REPLICAS)
      if (minute === 1) await database.analyze()
    }

    const until = new Date(dueAt(options.minutes))
    const verdict = new ScheduleVerdict(async (text, values) => (await sql.query(text, values)).rows, until)
    const deadline = Date.now() + SETTLE_LIMIT_MS
    while ((await verdict.open()) > 0) {
      if (Date.now() > deadline) throw new Error(`${await verdict.open()} executions are not over`)
      await delay(POLL_MS)
    }
    const expected = await verdict.expected()
    const [missed, repeated] = [await verdict.missed(), await verdict.repeated()]
    const of = (name: string) =>
      verdict.lateness(
        `due_at > '${firstDueAt.toISOString()}' AND schedule_id IN (SELECT id FROM scheduled_tasks WHERE name = '${name}')`,
      )
    const minutely = await of(MINUTELY.name)
    const hourly = await of(HOURLY.name)
    return {
      table: [describe(`${MINUTELY.count} at one instant`, minutely), describe('spread over the hour', hourly)],
      checks: [
        check('missed', missed.length, 0, ''),
        check('twice', repeated.length, 0, ''),
        check('p50', minutely.p50, MAX_P50_MS, ' ms'),
        check('p99', minutely.p99, MAX_P99_MS, ' ms'),
      ],
      notes: [
        `${options.minutes} minutes, a kill -9 in each; ${expected} due times were to come to one execution with one run`,
        'lateness from due to fired, on the database’s clock, without the first instant; runs on a model without latency, on the same cores',
        ...[...missed, ...repeated].map((fault) => JSON.stringify(fault)),
      ],
      errors: missed.length + repeated.length,
      measurements: { expected, minutely, hourly, missed, repeated },
    }
  })
}

function describe(what: string, { count, p50, p99, max }: Lateness) {
  const [middle, late, latest] = [p50, p99, max].map((ms) => (ms ?? Number.NaN).toFixed(0))
  return { due: what, executions: count, 'p50 ms late': middle!, 'p99 ms late': late!, 'latest ms': latest! }
}

function check(what: string, value: number, max: number, unit: string) {
  return { what, value: `${value.toFixed(0)}${unit}`, target: `≤ ${max}${unit}`, met: value <= max }
}
