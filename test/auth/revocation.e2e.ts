import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'
import { TcpProxy } from '../support/tcp-proxy.js'

const ROUNDS = 200
const NEW_PASSWORD = 'Another-Horse-43'
const { TEST_REDIS_URL: redisUrl = '' } = process.env

let first: TestApp
let second: TestApp
let proxy: TcpProxy

beforeAll(async () => {
  proxy = await TcpProxy.start(redisUrl, 6379)
  first = await TestApp.start({ env: { REDIS_URL: redisUrl } })
  second = await TestApp.start({ env: { REDIS_URL: proxy.through(redisUrl) }, database: first.database })
})
afterAll(async () => {
  await second[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

async function statusOn(app: TestApp, accessToken: string): Promise<number> {
  return (await app.inject({ url: '/v1/auth/me', headers: { authorization: `Bearer ${accessToken}` } })).statusCode
}

async function openSession(email: string, on = first): Promise<string> {
  const payload = { email, password: PASSWORD }
  return (await on.inject({ method: 'POST', url: '/v1/auth/login', payload })).json().accessToken
}

const post = (app: TestApp, accessToken: string, url: string, payload?: object) =>
  app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${accessToken}` }, ...(payload && { payload }) })

describe('two replicas with one Redis', () => {
  it(`refuse a token at the very next request after its logout on the other, ${ROUNDS} of ${ROUNDS} times`, async () => {
    const { email } = await TestUser.register(first)
    const seen: number[][] = []
    for (let round = 0; round < ROUNDS; round++) {
      const [here, there] = round % 2 === 0 ? [first, second] : [second, first]
      const token = await openSession(email, here)
      const warm = [await statusOn(here, token), await statusOn(there, token), await statusOn(there, token)]
      const logout = await post(here, token, '/v1/auth/logout')
      seen.push([...warm, logout.statusCode, await statusOn(there, token), await statusOn(here, token)])
    }
    expect(seen).toEqual(Array.from({ length: ROUNDS }, () => [200, 200, 200, 204, 401, 401]))
  })

  it('refuse every other session at once after a new password', async () => {
    const { email } = await TestUser.register(first)
    const tokens = await Promise.all([openSession(email), openSession(email, second), openSession(email)])
    for (const token of tokens) expect(await statusOn(second, token)).toBe(200)
    const changed = await post(first, tokens[0] ?? '', '/v1/auth/password', {
      currentPassword: PASSWORD,
      newPassword: NEW_PASSWORD,
    })
    expect(changed.statusCode).toBe(204)
    expect(await Promise.all(tokens.map((token) => statusOn(second, token)))).toEqual([200, 401, 401])
  })

  it('refuse every token at once after logout-all', async () => {
    const { email } = await TestUser.register(first)
    const tokens = await Promise.all(Array.from({ length: 5 }, () => openSession(email)))
    for (const token of tokens) expect(await statusOn(second, token)).toBe(200)
    expect((await post(first, tokens[0] ?? '', '/v1/auth/logout-all')).statusCode).toBe(204)
    expect(await Promise.all(tokens.map((token) => statusOn(second, token)))).toEqual([401, 401, 401, 401, 401])
  })

  it('refuse a family at once whose refresh token was replayed on the other', async () => {
    const user = await TestUser.register(first)
    const refresh = () =>
      first.inject({ method: 'POST', url: '/v1/auth/refresh', payload: { refreshToken: user.refreshToken } })
    const { accessToken } = (await refresh()).json()
    expect(await statusOn(second, accessToken)).toBe(200)
    await first.sql(`UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE tenant_id = $1`, [
      user.tenantId,
    ])
    expect((await refresh()).statusCode).toBe(401)
    expect(await Promise.all([accessToken, user.accessToken].map((token) => statusOn(second, token)))).toEqual([
      401, 401,
    ])
  })
})

describe('a replica that has lost Redis', () => {
  it('asks PostgreSQL: what the other replica revoked is refused by the next request, cut or frozen', async () => {
    const { email } = await TestUser.register(first)
    for (const lose of [() => proxy.cut(), async () => proxy.freeze()]) {
      const token = await openSession(email)
      expect([await statusOn(second, token), await statusOn(second, token)]).toEqual([200, 200])
      await lose()
      expect(await statusOn(second, token)).toBe(200)
      expect((await post(first, token, '/v1/auth/logout')).statusCode).toBe(204)
      expect([await statusOn(second, token), await statusOn(second, token)]).toEqual([401, 401])
      await proxy.restore()
    }
  })

  it('makes its own revocations true on the other one before it answers', async () => {
    const { email } = await TestUser.register(first)
    const token = await openSession(email)
    expect([await statusOn(first, token), await statusOn(second, token)]).toEqual([200, 200])
    await proxy.cut()
    expect(await statusOn(first, token)).toBe(200)
    expect((await post(second, token, '/v1/auth/logout')).statusCode).toBe(204)
    expect(await statusOn(first, token)).toBe(401)
    await proxy.restore()
  })
})

describe('one replica without Redis', () => {
  it('refuses at once, too, and so does the token after a restart', async () => {
    await using alone = await TestApp.start()
    const user = await TestUser.register(alone)
    expect([await statusOn(alone, user.accessToken), await statusOn(alone, user.accessToken)]).toEqual([200, 200])
    expect((await post(alone, user.accessToken, '/v1/auth/logout')).statusCode).toBe(204)
    expect(await statusOn(alone, user.accessToken)).toBe(401)
    await using restarted = await TestApp.start({ database: alone.database })
    expect(await statusOn(restarted, user.accessToken)).toBe(401)
  })

  it('reads the database once for a thousand requests that come together', async () => {
    // Each of them reads its own answer, and on a busy machine the last waits for a connection longer than by default.
    await using alone = await TestApp.start({ env: { DATABASE_CONNECT_TIMEOUT_MS: '60000' } })
    const user = await TestUser.register(alone)
    const misses = async (): Promise<number> => {
      const { body } = await alone.inject({ url: '/metrics' })
      return Number(
        /temponest_auth_cache_requests_total\{cache="user_perms",result="miss"\} (\d+)/.exec(body)?.[1] ?? 0,
      )
    }
    const before = await misses()
    const statuses = await Promise.all(Array.from({ length: 1000 }, () => statusOn(alone, user.accessToken)))
    expect(new Set(statuses)).toEqual(new Set([200]))
    // One, and one more for each lease of two seconds that the thousand take on a busy machine.
    expect(await misses()).toBeLessThanOrEqual(before + 20)
  })
})
