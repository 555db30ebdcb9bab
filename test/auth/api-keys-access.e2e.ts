import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { Epochs } from '#platform/cache/epochs.js'
import { memberEpoch } from '../../src/modules/auth/access/epoch-names.js'
import { mintApiKey } from '../../src/modules/auth/api-keys/api-key.js'
import { expectProblem } from '../support/problem.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { joinTenant, type Requester, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, withClient } from '../support/test-database.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const POSTGRES_PORT = 5432
const ROUNDS = 20
const POLL_MS = 20
const LIFE_MS = 3000
const DEADLINE_MS = 20_000
const ME = { method: 'GET', url: '/v1/auth/me' } as const
const REFUSED = { status: 401, code: 'unauthenticated', instance: '/v1/auth/me' }

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

/** Gives what `look` finds once it is no longer null; fails when that does not come. */
async function eventually<T>(look: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== null) return found
    await sleep(POLL_MS)
  }
  throw new Error(`not within ${DEADLINE_MS} ms`)
}

async function lastUsedAt(who: Requester, id: string): Promise<string | null> {
  return (await who.request({ method: 'GET', url: `/v1/api-keys/${id}` })).json().lastUsedAt
}

describe('an API key', () => {
  it.each<[string, (text: string) => Record<string, string>]>([
    ['X-API-Key', (text) => ({ 'x-api-key': text })],
    ['Authorization: Bearer', (text) => ({ authorization: `Bearer ${text}` })],
    ['Authorization: bearer', (text) => ({ authorization: `bearer ${text}` })],
    ['both headers', (text) => ({ authorization: `Bearer ${text}`, 'x-api-key': text })],
  ])('is taken in %s, and acts for its maker', async (_where, headersOf) => {
    const { text } = await TestApiKey.create(app, owner, { scopes: ['runs:read'] })
    const response = await app.inject({ ...ME, headers: headersOf(text) })
    expect([response.statusCode, response.json()]).toEqual([
      200,
      expect.objectContaining({
        user: expect.objectContaining({ id: owner.userId }),
        tenant: expect.objectContaining({ id: owner.tenantId }),
        permissions: ['runs:read'],
      }),
    ])
  })

  it('in X-API-Key does not help an Authorization that is wrong, nor hurt one that is right', async () => {
    const { text } = await TestApiKey.create(app, owner)
    const wrong = await app.inject({ ...ME, headers: { authorization: 'Bearer wrong', 'x-api-key': text } })
    expectProblem(wrong, REFUSED)
    expect((await owner.request({ ...ME, headers: { 'x-api-key': 'wrong' } })).statusCode).toBe(200)
  })

  it.each<[string, (text: string) => Record<string, string>]>([
    ['unknown', () => ({ 'x-api-key': mintApiKey().text })],
    ['mistyped', (text) => ({ 'x-api-key': `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}` })],
    ['cut short', (text) => ({ 'x-api-key': text.slice(0, -1) })],
    ['sent twice', (text) => ({ 'x-api-key': `${text}, ${text}` })],
    ['empty', () => ({ 'x-api-key': '' })],
    ['an access token in X-API-Key', () => ({ 'x-api-key': owner.accessToken })],
    ['in Basic', (text) => ({ authorization: `Basic ${text}` })],
    ['without Bearer', (text) => ({ authorization: text })],
  ])('is refused when it is %s', async (_what, headersOf) => {
    const { text } = await TestApiKey.create(app, owner)
    expectProblem(await app.inject({ ...ME, headers: headersOf(text) }), REFUSED)
  })

  it('is refused in the query and in a cookie', async () => {
    const { text } = await TestApiKey.create(app, owner)
    for (const request of [
      { url: `/v1/runs?api_key=${text}` },
      { url: '/v1/runs', headers: { cookie: `x-api-key=${text}; __Host-access=${text}` } },
    ]) {
      expectProblem(await app.inject(request), { status: 401, code: 'unauthenticated', instance: '/v1/runs' })
    }
  })

  it('is refused once it has expired, in the words for one that never was', async () => {
    const endsAtMs = Date.now() + LIFE_MS
    const key = await TestApiKey.create(app, owner, { expiresAt: new Date(endsAtMs).toISOString() })
    while (Date.now() < endsAtMs) {
      const { statusCode } = await key.request(ME)
      if (Date.now() < endsAtMs) expect(statusCode).toBe(200)
      await sleep(POLL_MS)
    }
    const expired = expectProblem(await key.request(ME), REFUSED)
    const unknown = await app.inject({ ...ME, headers: { 'x-api-key': mintApiKey().text } })
    expect(expectProblem(unknown, REFUSED).detail).toBe(expired.detail)
  })

  it('does no more than its scopes, whatever its maker may do', async () => {
    const key = await TestApiKey.create(app, owner, { scopes: ['runs:read'] })
    expect((await key.request({ method: 'GET', url: '/v1/runs' })).statusCode).toBe(200)
    const payload = { task: 'x' }
    for (const request of [
      { method: 'POST', url: '/v1/agents/developer/run', payload },
      { method: 'GET', url: '/v1/agents' },
      { method: 'GET', url: '/v1/api-keys' },
      { method: 'GET', url: `/v1/api-keys/${key.id}` },
      { method: 'DELETE', url: `/v1/api-keys/${key.id}` },
      { method: 'POST', url: '/v1/api-keys', payload: { name: 'broader' } },
    ] as const) {
      expectProblem(await key.request(request), { status: 403, code: 'forbidden', instance: request.url })
    }
  })

  it.each<[string, 'GET' | 'POST' | 'PATCH' | 'DELETE', object | undefined]>([
    ['/v1/auth/logout', 'POST', undefined],
    ['/v1/auth/logout-all', 'POST', undefined],
    ['/v1/auth/password', 'POST', { currentPassword: PASSWORD, newPassword: 'Battery-Staple-43' }],
    ['/v1/auth/me', 'PATCH', { name: 'Mallory' }],
    ['/v1/auth/sessions', 'GET', undefined],
    [`/v1/auth/sessions/${newId()}`, 'DELETE', undefined],
  ])('is no session: %s', async (url, method, payload) => {
    const key = await TestApiKey.create(app, owner)
    const response = await key.request({ method, url, ...(payload && { payload }) })
    expectProblem(response, { status: 403, code: 'forbidden', instance: url })
    expect((await owner.request(ME)).statusCode).toBe(200)
  })

  it('sees its own tenant only', async () => {
    const key = await TestApiKey.create(app, owner)
    const other = await TestUser.register(app)
    const { id } = (await other.run({ task: 'Theirs.' })).json()
    expectProblem(await key.request({ url: `/v1/runs/${id}` }), { status: 404, code: 'not_found' })
    expect((await key.request({ url: '/v1/runs' })).json().data).toEqual([])
  })

  it("has a rate of its own, and neither uses up its maker's", async () => {
    const key = await TestApiKey.create(app, owner, { rateLimitPerMinute: 2 })
    expect((await key.request(ME)).headers['x-ratelimit-limit']).toBe('2')
    expect((await key.request(ME)).statusCode).toBe(200)
    expectProblem(await key.request(ME), { status: 429, code: 'rate_limited' })
    expect((await owner.request(ME)).statusCode).toBe(200)
  })

  it('survives the end of the session that made it, for it is not of the session', async () => {
    const key = await TestApiKey.create(app, owner)
    expect((await owner.request({ method: 'POST', url: '/v1/auth/logout-all' })).statusCode).toBe(204)
    expect((await key.request(ME)).statusCode).toBe(200)
  })
})

describe('the key of a member', () => {
  /** What the members' routes will do, until they are there. */
  async function change(statement: string, { userId }: { userId: string }): Promise<void> {
    await app.sql(`${statement} WHERE tenant_id = $1 AND user_id = $2`, [owner.tenantId, userId])
    await app.nest.get(Epochs).advance([memberEpoch(owner.tenantId, userId)])
  }

  it('does what the member may do now, by the next request', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    const key = await TestApiKey.create(app, member)
    const start = { method: 'POST', url: '/v1/agents/developer/run', payload: { task: 'x' } } as const
    expect((await key.request(start)).statusCode).toBe(200)
    await change(`UPDATE memberships SET role = 'viewer'`, member)
    expectProblem(await key.request(start), { status: 403, code: 'forbidden' })
    expect((await key.request({ url: '/v1/runs' })).statusCode).toBe(200)
    await change(`UPDATE memberships SET role = 'owner'`, member)
    expect((await key.request(start)).statusCode).toBe(200)
    expectProblem(
      await key.request({ method: 'POST', url: '/v1/api-keys', payload: { name: 'x', scopes: ['audit:read'] } }),
      {
        status: 403,
        code: 'forbidden',
      },
    )
  })

  it('has no higher rate than the member has now', async () => {
    await using limited = await TestApp.start({
      database: app.database,
      env: { RATE_LIMIT_ADMIN_PER_MINUTE: '50', RATE_LIMIT_AUTHENTICATED_PER_MINUTE: '20' },
    })
    const member = await joinTenant(limited, owner.tenantId, 'admin')
    const key = await TestApiKey.create(limited, member, { rateLimitPerMinute: 40 })
    expect((await key.request(ME)).headers['x-ratelimit-limit']).toBe('40')
    await app.sql(`UPDATE memberships SET role = 'member' WHERE tenant_id = $1 AND user_id = $2`, [
      owner.tenantId,
      member.userId,
    ])
    await limited.nest.get(Epochs).advance([memberEpoch(owner.tenantId, member.userId)])
    expect((await key.request(ME)).headers['x-ratelimit-limit']).toBe('20')
  })

  it('rests while the member is suspended', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    const key = await TestApiKey.create(app, member)
    expect((await key.request(ME)).statusCode).toBe(200)
    await change('UPDATE memberships SET disabled_at = now()', member)
    expectProblem(await key.request(ME), REFUSED)
    await change('UPDATE memberships SET disabled_at = NULL', member)
    expect((await key.request(ME)).statusCode).toBe(200)
  })

  it('is gone with the member', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    const key = await TestApiKey.create(app, member)
    expect((await key.request(ME)).statusCode).toBe(200)
    await change('DELETE FROM memberships', member)
    expectProblem(await key.request(ME), REFUSED)
    expect((await owner.request({ url: '/v1/api-keys' })).json().data).toEqual([])
  })
})

describe('a key that is deleted', () => {
  it(`is refused by the next request on another replica whose cache is warm, ${ROUNDS} of ${ROUNDS} times`, async () => {
    await using database = await createTestDatabase()
    const env = { REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' }
    await using one = await TestApp.start({ database, env })
    await using other = await TestApp.start({ database, env })
    const user = await TestUser.register(one)
    const statuses: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const key = await TestApiKey.create(one, user)
      for (let use = 0; use < 3; use++) expect((await key.on(other, ME)).statusCode).toBe(200)
      await user.request({ method: 'DELETE', url: `/v1/api-keys/${key.id}` })
      statuses.push((await key.on(other, ME)).statusCode, (await key.on(one, ME)).statusCode)
    }
    expect(statuses).toEqual(Array.from({ length: ROUNDS * 2 }, () => 401))
  })
})

describe('without a database', () => {
  it('a mistyped key is still told from one that must be looked up', async () => {
    await using database = await createTestDatabase()
    await using proxy = await TcpProxy.start(database.url, POSTGRES_PORT)
    await using cutOff = await TestApp.start({ database, env: { DATABASE_URL: proxy.through(database.url) } })
    await proxy.cut()
    const { text } = mintApiKey()
    const mistyped = text.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    expectProblem(await cutOff.inject({ ...ME, headers: { 'x-api-key': mistyped } }), REFUSED)
    expectProblem(await cutOff.inject({ ...ME, headers: { 'x-api-key': text } }), { status: 503, code: 'unavailable' })
    await proxy.restore()
  })
})

describe('the last use of a key', () => {
  it('is written down, and at most once a minute on however many replicas', async () => {
    await using replica = await TestApp.start({ database: app.database })
    const key = await TestApiKey.create(app, owner)
    expect(await lastUsedAt(owner, key.id)).toBeNull()
    await key.request(ME)
    const first = await eventually(() => lastUsedAt(owner, key.id))
    expect(Math.abs(Date.parse(first) - Date.now())).toBeLessThan(60_000)

    for (const one of [app, replica]) {
      await key.on(one, ME)
      await restOf(one)
    }
    expect(await lastUsedAt(owner, key.id)).toBe(first)

    await using third = await TestApp.start({ database: app.database })
    await app.sql(`UPDATE api_keys SET last_used_at = now() - interval '61 seconds' WHERE id = $1`, [key.id])
    const stale = await lastUsedAt(owner, key.id)
    await key.on(third, ME)
    await eventually(async () => ((await lastUsedAt(owner, key.id)) === stale ? null : true))
  })

  it('that cannot be written fails no request', async () => {
    await using database = await createTestDatabase()
    await using broken = await TestApp.start({ database })
    const user = await TestUser.register(broken)
    const key = await TestApiKey.create(broken, user, { name: 'never used' })
    await broken.sql(`ALTER TABLE api_keys ADD CHECK (last_used_at IS NULL OR name <> 'never used')`)
    for (let use = 0; use < 3; use++) expect((await key.request(ME)).statusCode).toBe(200)
    await restOf(broken)
    expect(await lastUsedAt(user, key.id)).toBeNull()
  })

  it('that has to wait holds no request up, and few connections', async () => {
    const keys = await Promise.all(Array.from({ length: 6 }, () => TestApiKey.create(app, owner)))
    const ids = keys.map(({ id }) => id)
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT 1 FROM api_keys WHERE id = ANY($1) FOR UPDATE', [ids])
      for (const key of keys) expect((await key.request(ME)).statusCode).toBe(200)
      const waiting = await eventually(async () => {
        const rows = await app.sql(
          `SELECT count(*)::int AS count FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE api_keys%'`,
        )
        return Number(rows[0]?.['count']) >= 2 ? rows[0]?.['count'] : null
      })
      expect(waiting).toBe(2)
      await client.query('COMMIT')
    })
    for (const key of keys) {
      await eventually(async () => {
        await key.request(ME)
        return lastUsedAt(owner, key.id)
      })
    }
  })

  /** Waits until the replica has written the use of another key, made after all that it was to write before. */
  async function restOf(one: TestApp): Promise<void> {
    const user = await TestUser.register(one)
    const key = await TestApiKey.create(one, user)
    await key.request(ME)
    await eventually(() => lastUsedAt(user, key.id))
  }
})
