import { afterAll, beforeAll, expect, it, jest } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppHome } from '../support/app-process.js'
import { Replicas } from '../support/chaos/replicas.js'
import { registerOwner } from '../support/chaos/schedule-owner.js'
import { ScheduleVerdict } from '../support/chaos/schedule-verdict.js'
import { eventually } from '../support/eventually.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { type Owner, plantSchedules, type SqlRunner } from '../support/schedule-rows.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'

jest.setTimeout(120_000)

const TENANTS = 5
/** Due at the same instant, every so often. */
const ALIGNED = { count: 100, everySeconds: 4 }
/** Due all the time. */
const SPREAD = { count: 300, everySeconds: 30 }
const REPLICAS = 3
const KILLS = 3
const FIRST_DUE_IN_MS = 1000
/** Around each instant at which many are due; what is left of the interval is for the start of the next process. */
const MAX_PAUSE_MS = 600
const LIMIT_MS = 40_000

let database: TestDatabase
let simulator: ModelSimulator
let home: AppHome
let replicas: Replicas
let tables: SqlRunner

beforeAll(async () => {
  database = await createTestDatabase()
  simulator = await ModelSimulator.start({ recordLimit: 10 })
  home = await AppHome.create()
  replicas = new Replicas(home, {
    DATABASE_URL: database.url,
    REDIS_URL: process.env['TEST_REDIS_URL'] ?? '',
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: 'test',
    DEFAULT_MODEL: 'openai/gpt-4o-mini',
    // The runs of whoever was killed are found soon.
    RUN_LEASE_MS: '2000',
    // How late the machine is does not matter here: what is late is not lost.
    SCHEDULE_GRACE_SECONDS: '60',
  })
  tables = { sql: (text, values) => withClient(database.url, async (sql) => (await sql.query(text, values)).rows) }
  await replicas.start(0)
  await Promise.all([replicas.start(1), replicas.start(2)])
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await simulator?.stop()
  await database?.[Symbol.asyncDispose]()
})

/** Half the time before they are fired, half the time amidst it or after it. */
async function killAtDueTimes(firstDueAt: number): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    const dueAt = firstDueAt + (kill + 1) * ALIGNED.everySeconds * 1000
    await sleep(Math.max(0, dueAt - Date.now() + (Math.random() - 0.3) * MAX_PAUSE_MS))
    await replicas.stop(kill % REPLICAS, 'SIGKILL')
    await replicas.start(kill % REPLICAS)
  }
}

it(`fires each due time once, with one run, while one of ${REPLICAS} replicas dies every ${ALIGNED.everySeconds} seconds`, async () => {
  const owners: Owner[] = []
  while (owners.length < TENANTS) owners.push(await registerOwner(replicas, `owner-${owners.length}`))
  const dueInMs = FIRST_DUE_IN_MS
  for (const owner of owners) {
    const share = { overlap: 'allow' as const, dueInMs }
    await plantSchedules(tables, owner, ALIGNED.count / TENANTS, { ...share, everySeconds: ALIGNED.everySeconds })
    const spreadMs = SPREAD.everySeconds * 1000
    await plantSchedules(tables, owner, SPREAD.count / TENANTS, {
      ...share,
      everySeconds: SPREAD.everySeconds,
      spreadMs,
    })
  }
  await killAtDueTimes(Date.now() + dueInMs)

  const [row] = await tables.sql('SELECT now() AS until')
  const verdict = new ScheduleVerdict(
    async <Row extends object>(text: string, values?: unknown[]) => (await tables.sql(text, values)) as Row[],
    row?.['until'] as Date,
  )
  await eventually(
    () => verdict.open(),
    (open) => open === 0,
    LIMIT_MS,
  )
  expect(await verdict.expected()).toBeGreaterThan(ALIGNED.count * KILLS)
  expect(await verdict.missed()).toEqual([])
  expect(await verdict.repeated()).toEqual([])
})
