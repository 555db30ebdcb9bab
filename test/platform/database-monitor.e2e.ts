import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { ConnectionPool } from '#platform/database/connection-pool.js'
import { Database, DATABASE_APP_URL } from '#platform/database/database.js'
import { DatabaseMonitor } from '#platform/database/monitor/database-monitor.js'
import type { Statement } from '#platform/database/statement.js'
import type { Tx } from '#platform/database/tx.js'
import { eventually } from '../support/eventually.js'
import { TestApp } from '../support/test-app.js'
import type { LogLine } from '../support/test-log.js'

/** Far above what a statement takes on a machine that is shared, stalls included. */
const SLOW_MS = 500
const LONGER_SECONDS = 0.6
const SECRET = 'a value that belongs to somebody'
const POOLS = ['requests', 'workers', 'timers', 'probes']

let app: TestApp
let database: Database

beforeAll(async () => {
  app = await TestApp.start({ env: { DATABASE_SLOW_QUERY_MS: String(SLOW_MS) }, routes: addRoutes })
  database = app.nest.get(Database)
})
afterAll(async () => app[Symbol.asyncDispose]())

function addRoutes(fastify: FastifyInstance): void {
  fastify.get('/test/slow', async () => database.read({}, slow('test_slow_in_request')))
}

const slow = (name: string): Statement => ({
  name,
  text: 'SELECT pg_sleep($1::float8), $2::text AS said',
  values: [LONGER_SECONDS, SECRET],
})
const fast = (name: string): Statement => ({ name, text: 'SELECT $1::text AS said', values: [SECRET] })

/** The lines about slow queries since the last look that name the statement. */
function slowLines(name: string): LogLine[] {
  return app.log.take('slow_query').filter((line) => JSON.stringify(line).includes(name))
}

async function metric(series: string): Promise<number> {
  const { body } = await app.inject({ url: '/metrics' })
  const line = body.split('\n').find((one) => one.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1))
}

describe('the metrics of the database', () => {
  it('have the connections of each pool as they are when somebody asks', async () => {
    for (const pool of POOLS) {
      expect(await metric(`temponest_db_pool_connections{pool="${pool}"}`)).toBeGreaterThanOrEqual(0)
      expect(await metric(`temponest_db_pool_idle_connections{pool="${pool}"}`)).toBeGreaterThanOrEqual(0)
      expect(await metric(`temponest_db_pool_waiting{pool="${pool}"}`)).toBe(0)
    }
    expect(await metric('temponest_db_pool_max_connections{pool="requests"}')).toBe(10)
    const busy = Promise.withResolvers<void>()
    const all = Array.from({ length: 12 }, () => database.transaction({}, () => busy.promise))
    try {
      await eventually(
        () => database.requests.load,
        ({ total, idle, waiting }) => total === 10 && idle === 0 && waiting === 2,
      )
      expect(await metric('temponest_db_pool_connections{pool="requests"}')).toBe(10)
      expect(await metric('temponest_db_pool_idle_connections{pool="requests"}')).toBe(0)
      expect(await metric('temponest_db_pool_waiting{pool="requests"}')).toBe(2)
    } finally {
      busy.resolve()
      await Promise.all(all)
    }
  })

  it('have the durations of what was asked, by pool and class', async () => {
    const count = (name: string) => metric(`temponest_db_query_duration_seconds_count{pool="timers",class="${name}"}`)
    const before = [(await count('select')) || 0, (await count('other')) || 0]
    await database.timers.transaction({}, (tx) => tx.query(fast('test_counted')))
    const after = [await count('select'), await count('other')]
    expect(after[0]).toBeGreaterThan(before[0] ?? 0)
    expect(after[1]).toBeGreaterThan(before[1] ?? 0)
  })
})

describe('a slow query', () => {
  it('is logged with its name and without its parameters, and one that waits behind it is not', async () => {
    const counter = 'temponest_db_slow_queries_total{pool="requests",class="select"}'
    const before = (await metric(counter)) || 0
    await database.transaction({}, (tx) => Promise.all([tx.query(slow('test_slow')), tx.query(fast('test_behind'))]))
    const lines = app.log.take('slow_query')
    const line = lines.find(({ statement }) => statement === 'test_slow')
    expect(line).toMatchObject({ level: 'warn', pool: 'requests', class: 'select', durationMs: expect.any(Number) })
    expect(line?.['durationMs']).toBeGreaterThanOrEqual(SLOW_MS)
    expect(JSON.stringify(lines)).not.toContain('test_behind')
    expect(JSON.stringify(lines)).not.toContain(SECRET)
    expect(await metric(counter)).toBeGreaterThan(before)
  })

  it('is known by a hash and the beginning of its text where it has no name, in one line', async () => {
    const text = `SELECT pg_sleep($1::float8),\n  $2::text ${', 1'.repeat(200)}`
    await database.workers.read({}, { text, values: [LONGER_SECONDS, SECRET] })
    const [line] = slowLines('pg_sleep')
    expect(line).toMatchObject({ pool: 'workers', statement: expect.stringMatching(/^[0-9a-f]{12} SELECT pg_sleep\(/) })
    expect(String(line?.['statement']).length).toBeLessThan(250)
    expect(JSON.stringify(line)).not.toContain(SECRET)
  })

  it('is logged when it fails', async () => {
    const failing = {
      name: 'test_slow_failure',
      text: 'SELECT 1 / (SELECT count(*) - 1 FROM pg_sleep($1::float8))',
      values: [LONGER_SECONDS],
    }
    await expect(database.transaction({}, (tx) => tx.query(failing))).rejects.toThrow('division by zero')
    expect(slowLines('test_slow_failure')).toHaveLength(1)
  })

  it('of a flight is the flight, with the names of all that was in it', async () => {
    await database.flight({}, (tx) => Promise.all([tx.query(fast('test_first')), tx.query(slow('test_second'))]))
    const [line] = slowLines('test_second')
    expect(line).toMatchObject({
      pool: 'requests',
      class: 'select',
      count: 2,
      statements: ['test_first', 'test_second'],
    })
    expect(JSON.stringify(line)).not.toContain(SECRET)
  })

  it('says whose request it was', async () => {
    const { headers } = await app.inject({ url: '/test/slow' })
    expect(slowLines('test_slow_in_request')).toMatchObject([
      { requestId: headers['x-request-id'], route: '/test/slow' },
    ])
  })

  it('is none that only waited for a connection', async () => {
    const pool = new ConnectionPool({
      url: app.nest.get(DATABASE_APP_URL),
      name: 'test',
      size: 1,
      connectTimeoutMs: 5000,
      statementTimeoutMs: 5000,
      lockTimeoutMs: 5000,
      answerTimeoutMs: 5000,
      preparedStatements: true,
      monitor: app.nest.get(DatabaseMonitor).forPool('test', { servesRequests: false }),
    })
    await pool.open()
    const held = pool.transaction({}, async () => sleep(SLOW_MS * 1.2))
    await pool.transaction({}, (tx) => tx.query(fast('test_waiter')))
    await held
    await pool.close()
    expect(slowLines('test_waiter')).toEqual([])
  })

  it('is none where the log of them is off', async () => {
    await using off = await TestApp.start({ database: app.database, env: { DATABASE_SLOW_QUERY_MS: '0' } })
    await off.nest.get(Database).read({}, slow('test_unwatched'))
    expect(slowLines('test_unwatched')).toEqual([])
  })

  it('does not flood the log when everything is slow, and says how many were left out', async () => {
    await using all = await TestApp.start({ database: app.database, env: { DATABASE_SLOW_QUERY_MS: '1' } })
    const naps = (count: number) => (tx: Tx) =>
      Promise.all(Array.from({ length: count }, () => tx.query({ name: 'test_nap', text: 'SELECT pg_sleep(0.003)' })))
    await sleep(1000)
    app.log.take('slow_query')
    await all.nest.get(Database).workers.transaction({}, naps(50))
    await sleep(1000)
    await all.nest.get(Database).workers.transaction({}, naps(1))
    const lines = app.log.take('slow_query')
    expect(lines.length).toBeLessThan(45)
    expect(lines.reduce((sum, { omitted = 0 }) => sum + Number(omitted), 0)).toBeGreaterThan(5)
  })
})
