import { afterAll, beforeAll, expect, it, jest } from '@jest/globals'
import { AppHome } from '../support/app-process.js'
import { Replicas } from '../support/chaos/replicas.js'
import { registerOwner } from '../support/chaos/schedule-owner.js'
import { ScheduleVerdict } from '../support/chaos/schedule-verdict.js'
import { eventually } from '../support/eventually.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { plantSchedules } from '../support/schedule-rows.js'
import { SteppedClock } from '../support/stepped-clock.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'

jest.setTimeout(90_000)

const SCHEDULES = 20
const EVERY_SECONDS = 2
/** Some schedules are due later than all that is waited for: no jump may fire them. */
const FAR_SECONDS = 86_400
const HOUR_MS = 3_600_000
/** Each from the true time. */
const STEPS = [
  { offset: '+3h', ms: 3 * HOUR_MS },
  { offset: '-5d', ms: -5 * 24 * HOUR_MS },
  { offset: '+400d', ms: 400 * 24 * HOUR_MS },
  { offset: '+0', ms: 0 },
]
const TOLERANCE_MS = 60_000

let database: TestDatabase
let simulator: ModelSimulator
let home: AppHome
let clock: SteppedClock
let replicas: Replicas

beforeAll(async () => {
  database = await createTestDatabase()
  simulator = await ModelSimulator.start()
  home = await AppHome.create()
  clock = await SteppedClock.create()
  replicas = new Replicas(home, {
    ...clock.env,
    DATABASE_URL: database.url,
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: 'test',
    DEFAULT_MODEL: 'openai/gpt-4o-mini',
  })
  await replicas.start(0)
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await clock?.[Symbol.asyncDispose]()
  await simulator?.stop()
  await database?.[Symbol.asyncDispose]()
})

const ask = <Row extends object>(text: string, values?: unknown[]): Promise<Row[]> =>
  withClient(database.url, async (sql) => (await sql.query<Row>(text, values)).rows)

async function moment(): Promise<Date> {
  const [row] = await ask<{ now: Date }>('SELECT now()')
  return row?.now ?? new Date(Number.NaN)
}

/** How far the app's own clock is from the true one. */
async function offsetMs(): Promise<number> {
  const response = await replicas.request('/health/liveness', {})
  return Date.parse(response.headers.get('date') ?? '') - Date.now()
}

/** Whatever is due up to now has been seen to. */
async function whenAllFired(): Promise<void> {
  const verdict = new ScheduleVerdict(ask, await moment())
  await eventually(
    () => verdict.open(),
    (open) => open === 0,
  )
}

it('fires at its due times, each once, whatever becomes of the clock of its host', async () => {
  const owner = await registerOwner(replicas, 'owner')
  const tables = { sql: (text: string, values?: unknown[]) => ask<Record<string, unknown>>(text, values) }
  const spreadMs = EVERY_SECONDS * 1000
  const often = { overlap: 'allow' as const, everySeconds: EVERY_SECONDS, dueInMs: 500, spreadMs }
  await plantSchedules(tables, owner, SCHEDULES, often)
  const far = { overlap: 'allow' as const, everySeconds: FAR_SECONDS, dueInMs: FAR_SECONDS * 1000 }
  await plantSchedules(tables, owner, SCHEDULES, far)
  for (const { offset, ms } of STEPS) {
    await clock.at(offset)
    await eventually(offsetMs, (seen) => Math.abs(seen - ms) < TOLERANCE_MS)
    const steppedAt = await moment()
    // All of them are due within each interval that has passed since.
    await eventually(moment, (now) => now.getTime() > steppedAt.getTime() + spreadMs)
    await whenAllFired()
  }
  const verdict = new ScheduleVerdict(ask, await moment())
  await whenAllFired()
  // Each has been due after each step, but perhaps for the moment at which it was looked.
  expect(await verdict.expected()).toBeGreaterThan(SCHEDULES * (STEPS.length - 1))
  // A run that is under way when the clock jumps is over its time by the host's clock: it was made, which is what is asked here.
  const missed = await verdict.missed()
  expect(missed.filter(({ reason }) => reason !== 'run_timeout')).toEqual([])
  expect(await verdict.repeated()).toEqual([])
  expect(await ask('SELECT id, due_at, fired_at FROM task_executions WHERE fired_at < due_at')).toEqual([])
})
