import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { createClient, type RedisClientType } from 'redis'
import { RedisConnection } from '#platform/cache/redis-connection.js'
import { DatabaseWindows } from '#platform/http/rate-limits/database-windows.service.js'
import { RedisWindows } from '#platform/http/rate-limits/redis-windows.js'
import { DEFAULT_LIMITS } from '../support/limit-settings.js'
import { expectLimits, expectTooMany } from '../support/rate-limits.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const REDIS_URL = process.env['TEST_REDIS_URL'] ?? ''
const REDIS_PORT = 6379
const POSTGRES_PORT = 5432
const BACK_LIMIT_MS = 10_000
const POLL_MS = 20
const PARALLEL = 100
const MINUTE_MS = 60_000
const SHORT_WINDOW_MS = 500
/** What is counted is told apart by this secret: Redis is shared with other tests, and so are addresses. */
const JWT_SECRET = randomBytes(32).toString('hex')
const KEYS = 'temponest:rate-limit:*'

let database: TestDatabase
let redisProxy: TcpProxy
let databaseProxy: TcpProxy
let one: TestApp
let other: TestApp
let lastAddress = 0

beforeAll(async () => {
  database = await createTestDatabase()
  redisProxy = await TcpProxy.start(REDIS_URL, REDIS_PORT)
  databaseProxy = await TcpProxy.start(database.url, POSTGRES_PORT)
  const env = {
    ...DEFAULT_LIMITS,
    JWT_SECRET,
    REDIS_URL: redisProxy.through(REDIS_URL),
    DATABASE_URL: databaseProxy.through(database.url),
  }
  one = await TestApp.start({ database, env })
  other = await TestApp.start({ database, env })
  await bothHaveRedis()
})
afterEach(async () => {
  await databaseProxy.restore()
  await redisProxy.restore()
  await bothHaveRedis()
})
afterAll(async () => {
  await one[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
  await redisProxy[Symbol.asyncDispose]()
  await databaseProxy[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** Waits until both replicas count in Redis again. */
async function bothHaveRedis(): Promise<void> {
  const deadline = performance.now() + BACK_LIMIT_MS
  for (const app of [one, other]) {
    while (!(await countsInRedis(app))) {
      if (performance.now() > deadline) throw new Error('Redis did not come back')
      await sleep(POLL_MS)
    }
  }
}

async function countsInRedis(app: TestApp): Promise<boolean> {
  return app.nest
    .get(RedisWindows)
    .hit(randomBytes(32), POLL_MS)
    .then(
      () => true,
      () => false,
    )
}

function newAddress(): string {
  lastAddress += 1
  return `198.51.100.${lastAddress}`
}

function login(app: TestApp, remoteAddress: string): Promise<LightMyRequestResponse> {
  const payload = { email: 'nobody@example.com', password: PASSWORD }
  return app.inject({ method: 'POST', url: '/v1/auth/login', payload, remoteAddress })
}

/** Requests to both replicas in turn, all at once. */
async function loginsAtOnce(address: string): Promise<number[]> {
  const responses = await Promise.all(
    Array.from({ length: PARALLEL }, (_, index) => login(index % 2 === 0 ? one : other, address)),
  )
  return responses.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
}

const FIVE_OF_ALL = [...Array<number>(5).fill(401), ...Array<number>(PARALLEL - 5).fill(429)]

/** How many requests were counted elsewhere so far, by where. */
async function fallbacks(store: string): Promise<number> {
  const { body } = await one.inject({ url: '/metrics' })
  const pattern = new RegExp(`^temponest_rate_limit_fallbacks_total\\{store="${store}"\\} (\\d+)$`, 'm')
  return Number(pattern.exec(body)?.[1] ?? 0)
}

async function onRedis<T>(work: (client: RedisClientType) => Promise<T>): Promise<T> {
  const client: RedisClientType = createClient({ url: REDIS_URL })
  await client.connect()
  try {
    return await work(client)
  } finally {
    client.destroy()
  }
}

describe('replicas with one Redis', () => {
  it('count an address together', async () => {
    const address = newAddress()
    for (const [index, app] of [one, other, one, other, one].entries()) {
      expectLimits(
        await login(app, address),
        { name: 'anonymous', quota: 60, remaining: 59 - index },
        { name: 'login', quota: 5, remaining: 4 - index },
      )
    }
    expectTooMany(await login(other, address), '/v1/auth/login')
    expectTooMany(await login(one, address), '/v1/auth/login')
  })

  it('count a user together', async () => {
    const user = await TestUser.register(one, { remoteAddress: newAddress() })
    const ask = (app: TestApp) =>
      app.inject({ url: '/v1/agents', headers: { authorization: `Bearer ${user.accessToken}` } })
    expectLimits(await ask(one), { name: 'admin', quota: 1000, remaining: 999 })
    expectLimits(await ask(other), { name: 'admin', quota: 1000, remaining: 998 })
  })

  it('let exactly 5 of 100 sign-ins through that come at once', async () => {
    expect(await loginsAtOnce(newAddress())).toEqual(FIVE_OF_ALL)
  })

  it('go on counting when Redis has forgotten the script', async () => {
    const address = newAddress()
    await login(one, address)
    await onRedis((client) => client.scriptFlush())
    expectLimits(
      await login(other, address),
      { name: 'anonymous', quota: 60, remaining: 58 },
      { name: 'login', quota: 5, remaining: 3 },
    )
  })

  it('keep no address in Redis', async () => {
    const address = newAddress()
    await login(one, address)
    const keys = await onRedis((client) => client.keys('*'))
    expect(keys.some((key) => key.startsWith(KEYS.slice(0, -1)))).toBe(true)
    expect(keys.filter((key) => key.includes(address) || key.includes('login:'))).toEqual([])
  })
})

describe('a window in Redis', () => {
  it('ends when its first request says, however many follow, and then begins anew', async () => {
    const windows = one.nest.get(RedisWindows)
    const key = randomBytes(32)
    let last = await windows.hit(key, SHORT_WINDOW_MS)
    expect(last).toEqual({ hits: 1, remainingMs: SHORT_WINDOW_MS })
    for (let next = await windows.hit(key, SHORT_WINDOW_MS); next.hits > 1;) {
      expect(next.hits).toBe(last.hits + 1)
      expect(next.remainingMs).toBeLessThanOrEqual(last.remainingMs)
      await sleep(POLL_MS)
      last = next
      next = await windows.hit(key, SHORT_WINDOW_MS)
    }
    expect(last.hits).toBeGreaterThan(1)
    expect(await windows.hit(key, SHORT_WINDOW_MS)).toMatchObject({ hits: 2 })
  })

  it('that has lost its end is given one', async () => {
    const windows = one.nest.get(RedisWindows)
    const key = randomBytes(32)
    await windows.hit(key, MINUTE_MS)
    await onRedis((client) => client.persist(KEYS.replace('*', key.toString('base64url'))))
    expect(await windows.hit(key, MINUTE_MS)).toEqual({ hits: 2, remainingMs: MINUTE_MS })
  })
})

describe('while Redis is gone', () => {
  it('sign-ins are counted together in PostgreSQL, the tiers by each replica, and a metric says so', async () => {
    const address = newAddress()
    await login(one, address)
    await redisProxy.cut()
    const before = { postgresql: await fallbacks('postgresql'), inProcess: await fallbacks('in_process') }
    for (const [index, app] of [one, other, one, other, one].entries()) {
      expectLimits(
        await login(app, address),
        { name: 'anonymous', quota: 60, remaining: 59 - Math.floor(index / 2) },
        { name: 'login', quota: 5, remaining: 4 - index },
      )
    }
    expectTooMany(await login(other, address), '/v1/auth/login')
    expectTooMany(await login(one, address), '/v1/auth/login')
    expect(await fallbacks('postgresql')).toBe(before.postgresql + 7)
    expect(await fallbacks('in_process')).toBe(before.inProcess + 7)

    const rows = await one.sql('SELECT length(key_hash) AS bytes, hits FROM rate_limit_windows')
    expect(rows).toEqual([{ bytes: 32, hits: 7 }])
  })

  it.each([
    ['register', { email: 'nobody' }, 3],
    ['refresh', { refreshToken: 7 }, 10],
  ])('%s is limited over both replicas', async (route, payload, quota) => {
    await redisProxy.cut()
    const address = newAddress()
    const post = (index: number) =>
      (index % 2 === 0 ? one : other).inject({
        method: 'POST',
        url: `/v1/auth/${route}`,
        payload,
        remoteAddress: address,
      })
    for (let index = 0; index < quota; index += 1) expect((await post(index)).statusCode).toBe(400)
    expectTooMany(await post(0), `/v1/auth/${route}`)
    expectTooMany(await post(1), `/v1/auth/${route}`)
  })

  it('exactly 5 of 100 sign-ins get through that come at once', async () => {
    await redisProxy.cut()
    expect(await loginsAtOnce(newAddress())).toEqual(FIVE_OF_ALL)
  })

  it('and silent, a request is counted elsewhere all the same', async () => {
    redisProxy.freeze()
    const address = newAddress()
    const statuses: number[] = []
    for (const app of [one, other, one, other, one, other]) statuses.push((await login(app, address)).statusCode)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
    // Nor is it asked again at once: it rests.
    await expect(one.nest.get(RedisWindows).hit(randomBytes(32), MINUTE_MS)).rejects.toThrow('Redis')
  })

  it('and PostgreSQL too, sign-ins are counted by each replica, and no answer is a 500', async () => {
    await redisProxy.cut()
    await databaseProxy.cut()
    const address = newAddress()
    const statuses: number[] = []
    for (let index = 0; index < 7; index += 1) statuses.push((await login(one, address)).statusCode)
    expect(statuses).toEqual([503, 503, 503, 503, 503, 429, 429])
  })

  it('is over, Redis counts again', async () => {
    await redisProxy.cut()
    await login(one, newAddress())
    await redisProxy.restore()
    await bothHaveRedis()
    const before = await fallbacks('postgresql')
    expect(await loginsAtOnce(newAddress())).toEqual(FIVE_OF_ALL)
    expect(await fallbacks('postgresql')).toBe(before)
    expect(one.nest.get(RedisConnection).client?.isReady).toBe(true)
  })
})

describe('a window in PostgreSQL', () => {
  const endsAt = async (key: Buffer): Promise<unknown> =>
    (await one.sql('SELECT expires_at FROM rate_limit_windows WHERE key_hash = $1', [key]))[0]?.['expires_at']

  it('ends when its first request says, however many follow, and then begins anew', async () => {
    const windows = one.nest.get(DatabaseWindows)
    const key = randomBytes(32)
    expect(await windows.hit(key, MINUTE_MS)).toEqual({ hits: 1, remainingMs: MINUTE_MS })
    const end = await endsAt(key)
    for (const hits of [2, 3, 4]) expect(await windows.hit(key, MINUTE_MS)).toMatchObject({ hits })
    expect(await endsAt(key)).toEqual(end)
    await one.sql(`UPDATE rate_limit_windows SET expires_at = now() WHERE key_hash = $1`, [key])
    expect(await windows.hit(key, MINUTE_MS)).toEqual({ hits: 1, remainingMs: MINUTE_MS })
  })

  it('is removed once it has ended, and not before', async () => {
    const windows = one.nest.get(DatabaseWindows)
    const [ended, live] = [randomBytes(32), randomBytes(32)]
    await windows.hit(ended, MINUTE_MS)
    await windows.hit(live, MINUTE_MS)
    await one.sql(`UPDATE rate_limit_windows SET expires_at = now() - interval '1 second' WHERE key_hash = $1`, [ended])
    await windows.sweep()
    expect(await endsAt(ended)).toBeUndefined()
    expect(await endsAt(live)).toBeInstanceOf(Date)
  })
})
