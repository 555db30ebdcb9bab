import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { createClient, type RedisClientType } from 'redis'
import { CACHE_KINDS, type CacheKind, type CacheRule } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { Colleague } from '../support/colleague.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const REDIS_URL = process.env['TEST_REDIS_URL'] ?? ''
const LIST = '/v1/agents?limit=3'

let redis: TcpProxy
let app: TestApp
let second: TestApp
let store: RedisClientType
let user: TestUser

beforeAll(async () => {
  redis = await TcpProxy.start(REDIS_URL, 6379)
  const env = { REDIS_URL: redis.through(REDIS_URL) }
  app = await TestApp.start({ env })
  second = await TestApp.start({ env, database: app.database })
  store = createClient({ url: REDIS_URL })
  await store.connect()
})
afterAll(async () => {
  store?.destroy()
  await second?.[Symbol.asyncDispose]()
  await app?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})
beforeEach(async () => {
  user = await TestUser.register(app)
})

function at(replica: TestApp, url = LIST, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return replica.inject({ url, headers: { authorization: `Bearer ${user.accessToken}`, ...headers } })
}

const cacheOf = ({ headers }: LightMyRequestResponse): unknown => headers['x-cache']

/** Kept, and still kept when it was asked for a second time: epochs live for two seconds, which may end between the two. */
async function fill(ask: () => Promise<LightMyRequestResponse>): Promise<LightMyRequestResponse> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await ask()
    const answer = await ask()
    if (cacheOf(answer) === 'HIT') return answer
  }
  throw new Error('the answer is never kept')
}

/** What `other` is answered with right after `first` was a HIT; tried again for the same reason. */
async function afterFill(
  first: () => Promise<LightMyRequestResponse>,
  other: () => Promise<LightMyRequestResponse>,
): Promise<LightMyRequestResponse> {
  let answer: LightMyRequestResponse
  let attempt = 0
  do {
    await app.nest.get(ResponseCache).clear(user.tenantId)
    await fill(first)
    answer = await other()
    attempt += 1
  } while (cacheOf(answer) !== 'HIT' && attempt < 5)
  return answer
}

describe('a cached answer', () => {
  it('is a MISS, then a HIT, in the same bytes and with the same headers', async () => {
    const miss = await at(app)
    expect([miss.statusCode, cacheOf(miss)]).toEqual([200, 'MISS'])
    const hit = await fill(() => at(app))
    expect(hit.body).toBe(miss.body)
    expect(miss.headers['link']).toMatch(/rel="next"/)
    for (const header of ['link', 'content-type']) expect(hit.headers[header]).toBe(miss.headers[header])
    expect(hit.headers['x-request-id']).not.toBe(miss.headers['x-request-id'])
  })

  it('is a HIT on another replica', async () => {
    const there = await afterFill(
      () => at(app),
      () => at(second),
    )
    expect([cacheOf(there), there.body]).toEqual(['HIT', (await at(app)).body])
  })

  it('does not see the order of the query, and sees each of its values', async () => {
    const { nextCursor } = (await at(app)).json()
    const reordered = await afterFill(
      () => at(app, `/v1/agents?limit=2&cursor=${nextCursor}`),
      () => at(app, `/v1/agents?cursor=${nextCursor}&limit=2`),
    )
    expect(cacheOf(reordered)).toBe('HIT')
    const other = await at(app, `/v1/agents?limit=1&cursor=${nextCursor}`)
    expect([cacheOf(other), other.json().data.length]).toEqual(['MISS', 1])
  })

  it('is never given to another tenant', async () => {
    await fill(() => at(app))
    const stranger = await TestUser.register(app)
    expect(cacheOf(await stranger.request({ url: LIST }))).toBe('MISS')
  })

  it('is never given to another role of the tenant, and is to another person of the same', async () => {
    await fill(() => at(app))
    const viewer = await Colleague.join(app, user, 'viewer')
    expect(cacheOf(await viewer.request({ url: LIST }))).toBe('MISS')
    const owner = await Colleague.join(app, user, 'owner')
    const shared = await afterFill(
      () => at(app),
      () => owner.request({ url: LIST }),
    )
    expect(cacheOf(shared)).toBe('HIT')
  })

  it('is given to nobody without a token', async () => {
    await fill(() => at(app))
    const response = await app.inject({ url: LIST })
    expect([response.statusCode, cacheOf(response)]).toEqual([401, undefined])
  })

  it.each([
    ['/v1/agents/nobody', 404],
    ['/v1/agents?limit=0', 400],
  ])('is made of no error: %s', async (url, status) => {
    for (let count = 0; count < 2; count += 1) {
      const response = await at(app, url)
      expect([response.statusCode, cacheOf(response)]).toEqual([status, undefined])
    }
  })

  it('is neither looked for nor kept when the client says no-store', async () => {
    const headers = { 'cache-control': 'no-store' }
    expect(cacheOf(await at(app, '/v1/agents/developer', headers))).toBe('MISS')
    expect(cacheOf(await at(app, '/v1/agents/developer'))).toBe('MISS')
    expect(cacheOf(await at(app, '/v1/agents/developer', headers))).toBe('MISS')
  })

  it('is absent from routes that have no cache', async () => {
    expect(await at(app, '/v1/runs')).not.toHaveProperty('headers.x-cache')
  })

  it('is counted', async () => {
    await fill(() => at(app))
    const { body } = await app.inject({ url: '/metrics' })
    for (const result of ['hit', 'miss']) {
      expect(body).toMatch(
        new RegExp(`^temponest_response_cache_requests_total\\{kind="catalogue",result="${result}"\\} [1-9]`, 'm'),
      )
    }
  })
})

describe('invalidation', () => {
  it('is seen by the very next request on another replica, 50 of 50 times', async () => {
    const responses = app.nest.get(ResponseCache)
    for (let round = 0; round < 50; round += 1) {
      await fill(() => at(second))
      await responses.invalidate([user.tenantId], ['agents'])
      expect([round, cacheOf(await at(second))]).toEqual([round, 'MISS'])
    }
  })

  it('leaves other tags and other tenants alone', async () => {
    const responses = app.nest.get(ResponseCache)
    const other = await TestUser.register(app)
    // Another epoch may end of itself in between: then both are tried again.
    const seen = new Set<unknown>()
    for (let round = 0; round < 5; round += 1) {
      await fill(() => at(app))
      await responses.invalidate([user.tenantId], ['members'])
      await responses.invalidate([other.tenantId], ['agents'])
      seen.add(cacheOf(await at(app)))
    }
    expect(seen).toContain('HIT')
  })

  it('counts what was loaded before it for nothing, even when the loading ends after it', async () => {
    const responses = app.nest.get(ResponseCache)
    const rule: CacheRule = { kind: 'directory', tags: ['things'], sharedBy: 'permissions' }
    const principal = {
      tenantId: user.tenantId,
      userId: user.userId,
      sessionId: null,
      apiKeyId: null,
      role: 'owner' as const,
      permissions: new Set<never>(),
      rateLimitPerMinute: null,
    }
    const request = { route: '/v1/things', params: {}, query: {} }
    const keyBefore = String(await responses.findKey(request, principal, rule))
    let written = 'old'
    await responses.get(keyBefore, rule, async () => {
      const body = written
      written = 'new'
      await responses.invalidate([user.tenantId], ['things'])
      return { body, link: null }
    })
    const keyAfter = String(await responses.findKey(request, principal, rule))
    const answer = await responses.get(keyAfter, rule, async () => ({ body: written, link: null }))
    expect(answer).toEqual({ body: 'new', link: null })
  })
})

describe('the cache', () => {
  const rule = (kind: CacheKind): CacheRule => ({ kind, tags: [], sharedBy: 'permissions' })
  const responses = (): ResponseCache => app.nest.get(ResponseCache)
  let keys = 0
  const newKey = (): string => `response:test-${user.tenantId}-${(keys += 1)}`

  it('loads once for requests that miss at the same time', async () => {
    let loads = 0
    const key = newKey()
    const load = async () => {
      loads += 1
      await new Promise((resolve) => setTimeout(resolve, 50))
      return { body: `${loads}`, link: null }
    }
    const answers = await Promise.all(Array.from({ length: 20 }, () => responses().get(key, rule('catalogue'), load)))
    expect(new Set(answers.map((answer) => answer?.body))).toEqual(new Set(['1']))
    expect(loads).toBe(1)
  })

  it('lets who waited load for himself when the first one fails', async () => {
    const key = newKey()
    const failing = responses().get(key, rule('catalogue'), () => Promise.reject(new Error('mine alone')))
    const waiting = responses().get(key, rule('catalogue'), async () => ({ body: 'unused', link: null }))
    await expect(failing).rejects.toThrow('mine alone')
    expect(await waiting).toBeUndefined()
    const next = await responses().get(key, rule('catalogue'), async () => ({ body: 'loaded', link: null }))
    expect(next).toEqual({ body: 'loaded', link: null })
  })

  it.each(Object.entries(CACHE_KINDS))('keeps %s for no longer than its time', async (kind, { ttlMs }) => {
    const key = newKey()
    await responses().get(key, rule(kind as CacheKind), async () => ({ body: '[]', link: null }))
    const [name = ''] = await store.keys(`*${key}`)
    const leftMs = await store.pTTL(name)
    expect(leftMs).toBeLessThanOrEqual(ttlMs)
    expect(leftMs).toBeGreaterThan(ttlMs - 10_000)
  })

  it('does not keep what is large', async () => {
    for (const [length, isKept] of [
      [16 * 1024, true],
      [16 * 1024 + 1, false],
    ] as const) {
      const key = newKey()
      await responses().get(key, rule('catalogue'), async () => ({ body: 'x'.repeat(length), link: null }))
      const again = await responses().get(key, rule('catalogue'), async () => ({ body: 'made anew', link: null }))
      expect([length, again?.body === 'made anew']).toEqual([length, !isKept])
    }
  })
})

describe('without Redis', () => {
  it('answers are right and never from the cache, and are cached again once it is back', async () => {
    const before = await fill(() => at(app))
    await redis.cut()
    for (let count = 0; count < 3; count += 1) {
      const response = await at(app)
      expect([response.statusCode, cacheOf(response), response.body]).toEqual([200, 'MISS', before.body])
    }
    await redis.restore()
    const deadline = Date.now() + 20_000
    let answer = await at(app)
    while (cacheOf(answer) !== 'HIT' && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      answer = await at(app)
    }
    expect([cacheOf(answer), answer.body]).toEqual(['HIT', before.body])
  })

  it('from the start, one process caches, invalidates and clears by itself', async () => {
    await using alone = await TestApp.start()
    const owner = await TestUser.register(alone)
    const ask = async () => cacheOf(await owner.request({ url: LIST }))
    expect([await ask(), await ask()]).toEqual(['MISS', 'HIT'])
    await alone.nest.get(ResponseCache).invalidate([owner.tenantId], ['agents'])
    expect([await ask(), await ask()]).toEqual(['MISS', 'HIT'])
    await alone.nest.get(ResponseCache).clear(owner.tenantId)
    expect([await ask(), await ask()]).toEqual(['MISS', 'HIT'])
  })
})

describe('the list of members', () => {
  const MEMBERS = '/v1/members'
  const listOn = async (replica: TestApp) => {
    const { data } = (await at(replica, MEMBERS)).json()
    return data as { id: string; name: string | null; role: string }[]
  }

  it('is kept, and is true at once on the other replica after a rename, a new role and a removal', async () => {
    const colleague = await TestUser.register(app)
    await app.sql(`INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'member', now())`, [
      user.tenantId,
      colleague.userId,
    ])
    const himself = async () => (await listOn(second)).find(({ id }) => id === colleague.userId)
    await fill(() => at(second, MEMBERS))
    await colleague.request({ method: 'PATCH', url: '/v1/auth/me', payload: { name: 'Renamed' } })
    expect(await himself()).toMatchObject({ name: 'Renamed', role: 'member' })
    await fill(() => at(second, MEMBERS))
    await user.request({ method: 'PATCH', url: `/v1/members/${colleague.userId}`, payload: { role: 'viewer' } })
    expect(await himself()).toMatchObject({ role: 'viewer' })
    await fill(() => at(second, MEMBERS))
    await user.request({ method: 'DELETE', url: `/v1/members/${colleague.userId}` })
    expect(await himself()).toBeUndefined()
  })
})
