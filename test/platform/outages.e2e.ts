import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { RedisConnection } from '#platform/cache/redis-connection.js'
import { expectProblem } from '../support/problem.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const POSTGRES_PORT = 5432
const REDIS_PORT = 6379
const LOSS_SEEN_MS = 2000
const BACK_SEEN_MS = 5000
/** How old what `/health` says may be, and how long it may take to find out. */
const HEALTH_STALE_MS = 13_000
const LIVENESS_MS = 100
const READINESS_MS = 1500
const PROMPT_MS = 3000
const REDIS_URL = process.env['TEST_REDIS_URL'] ?? ''

let database: TestDatabase
let databaseProxy: TcpProxy
let redisProxy: TcpProxy
let app: TestApp
let user: TestUser

beforeAll(async () => {
  database = await createTestDatabase()
  databaseProxy = await TcpProxy.start(database.url, POSTGRES_PORT)
  redisProxy = await TcpProxy.start(REDIS_URL, REDIS_PORT)
  app = await TestApp.start({
    database,
    env: { DATABASE_URL: databaseProxy.through(database.url), REDIS_URL: redisProxy.through(REDIS_URL) },
  })
  user = await TestUser.register(app)
})
afterEach(async () => {
  await databaseProxy.restore()
  await redisProxy.restore()
  await until(isReady, BACK_SEEN_MS)
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await databaseProxy[Symbol.asyncDispose]()
  await redisProxy[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** Waits for `condition`; fails when it does not hold in time. */
async function until(condition: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms`)
    await sleep(20)
  }
}

/** Answers `request`, which must not take longer than `limitMs`. */
async function within<T>(limitMs: number, request: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const answer = await request()
  expect(performance.now() - begun).toBeLessThan(limitMs)
  return answer
}

async function isReady(): Promise<boolean> {
  return (await app.inject({ url: '/health/readiness' })).statusCode === 200
}

async function healthOf(one: TestApp): Promise<unknown> {
  const response = await one.inject({ url: '/health' })
  return response.statusCode === 200 ? response.json().status : response.statusCode
}

describe('while the database is away', () => {
  it.each(['cut', 'freeze'] as const)('the process says that it lives, and that it is not ready: %s', async (way) => {
    expect(await isReady()).toBe(true)
    await databaseProxy[way]()

    await until(async () => !(await isReady()), LOSS_SEEN_MS)
    const readiness = await within(READINESS_MS, () => app.inject({ url: '/health/readiness' }))
    expectProblem(readiness, { status: 503, code: 'unavailable', instance: '/health/readiness' })
    expect(Number(readiness.headers['retry-after'])).toBeGreaterThan(0)
    const liveness = await within(LIVENESS_MS, () => app.inject({ url: '/health/liveness' }))
    expect([liveness.statusCode, liveness.json()]).toEqual([200, { status: 'ok' }])

    await databaseProxy.restore()
    await until(isReady, BACK_SEEN_MS)
  })

  it('/health is 503 here and 200 on a replica that has it, although both share a cache', async () => {
    await using healthy = await TestApp.start({ database, env: { REDIS_URL } })
    await databaseProxy.cut()
    expect(await healthOf(healthy)).toBe('ok')
    expectProblem(await app.inject({ url: '/health' }), { status: 503, code: 'unavailable', instance: '/health' })
    expect(await healthOf(healthy)).toBe('ok')
  })
})

describe('while Redis is away', () => {
  it.each(['cut', 'freeze'] as const)('the app serves, soon and whole but for its cache: %s', async (way) => {
    // A replica that has not been asked before: what `/health` says is kept for a while.
    await using replica = await TestApp.start({ database, env: { REDIS_URL: redisProxy.through(REDIS_URL) } })
    await until(async () => replica.nest.get(RedisConnection).client?.isReady === true, BACK_SEEN_MS)
    await redisProxy[way]()

    const response = await within(PROMPT_MS, () => replica.inject({ url: '/health' }))
    expect([response.statusCode, response.json()]).toMatchObject([
      200,
      { status: 'degraded', checks: { database: { status: 'up' }, cache: { status: 'down', tier: 'redis' } } },
    ])
    expect((await replica.inject({ url: '/health/readiness' })).statusCode).toBe(200)
    const run = await within(PROMPT_MS, () => user.run({ task: 'Say hello.' }))
    expect(run.json()).toMatchObject({ status: 'completed' })
  })

  it('an app starts all the same, and is whole once Redis is there', async () => {
    await redisProxy.cut()
    await using late = await TestApp.start({ database, env: { REDIS_URL: redisProxy.through(REDIS_URL) } })
    expect((await late.inject({ url: '/health/readiness' })).statusCode).toBe(200)
    expect(await healthOf(late)).toBe('degraded')
    await redisProxy.restore()
    await until(async () => (await healthOf(late)) === 'ok', HEALTH_STALE_MS)
  }, 20_000)
})
