import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { PERMISSIONS } from '#platform/http/principal.js'
import {
  apiKeyDetailsSchema,
  apiKeyPageSchema,
  createdApiKeySchema,
} from '../../src/modules/auth/api-keys/api-keys.schemas.js'
import { expectProblem } from '../support/problem.js'
import { createApiKey, joinTenant, type Requester, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const MEMBER_PERMISSIONS = [
  'agents:read',
  'agents:write',
  'mcp-servers:read',
  'runs:read',
  'runs:write',
  'approvals:read',
  'members:read',
  'api-keys:read',
  'api-keys:write',
  'schedules:read',
  'schedules:write',
  'projects:read',
  'projects:write',
  'costs:read',
  'metrics:read',
]
const LONG_AGO = '2020-01-01T00:00:00.000Z'
const FAR_AHEAD = '2999-12-31T23:59:59.000Z'

let app: TestApp
let owner: TestUser
const events: AuditedEvent[] = []

beforeAll(async () => {
  app = await TestApp.start({
    env: { RATE_LIMIT_ADMIN_PER_MINUTE: '1000', RATE_LIMIT_AUTHENTICATED_PER_MINUTE: '300' },
  })
  app.nest.get(EventBus).subscribe(AuditedEvent, async (event) => void events.push(event))
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const url = (id: string): string => `/v1/api-keys/${id}`
const get = (who: Requester, id: string) => who.request({ method: 'GET', url: url(id) })
const remove = (who: Requester, id: string) => who.request({ method: 'DELETE', url: url(id) })

async function listIds(who: Requester, query = ''): Promise<string[]> {
  const response = await who.request({ method: 'GET', url: `/v1/api-keys${query}` })
  expect(response.statusCode).toBe(200)
  return apiKeyPageSchema.parse(response.json()).data.map(({ id }) => id)
}

/** Adds keys past the API, which would take a while over it. */
async function addKeys({ tenantId, userId }: { tenantId: string; userId: string }, count: number): Promise<void> {
  await app.sql(
    `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at)
     SELECT $1, gen_random_uuid(), $2, 'bulk', 'tn_', sha256(gen_random_uuid()::text::bytea), '{}', now()
       FROM generate_series(1, $3)`,
    [tenantId, userId, count],
  )
}

describe('making an API key', () => {
  it('shows the key once, to nobody in between', async () => {
    const response = await createApiKey(owner, { name: ' CI ' })
    expect([response.statusCode, response.headers['cache-control']]).toEqual([201, 'no-store'])
    const created = createdApiKeySchema.parse(response.json())
    expect(response.headers['location']).toBe(url(created.id))
    expect(created).toMatchObject({
      name: 'CI',
      prefix: created.key.slice(0, 10),
      scopes: PERMISSIONS,
      rateLimitPerMinute: null,
      budgetUsd: null,
      userId: owner.userId,
      expiresAt: null,
      lastUsedAt: null,
    })
    const { key, ...shown } = created
    const again = await get(owner, created.id)
    expect(apiKeyDetailsSchema.parse(again.json())).toEqual({ ...shown, spentUsd: '0' })
    expect(again.body + (await owner.request({ method: 'GET', url: '/v1/api-keys' })).body).not.toContain(key)
  })

  it('stores the SHA-256 of the key and not the key', async () => {
    const { text } = await TestApiKey.create(app, owner)
    const rows = await app.sql(`SELECT k::text AS row FROM api_keys k WHERE key_hash = $1`, [
      createHash('sha256').update(text).digest(),
    ])
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(text.slice(10))
  })

  it('gives what was asked for', async () => {
    const asked = { scopes: ['runs:write', 'runs:read', 'runs:read'], rateLimitPerMinute: 1000, budgetUsd: '010.50' }
    const { id } = await TestApiKey.create(app, owner, { ...asked, expiresAt: '2999-12-31T23:59:59+02:00' })
    expect((await get(owner, id)).json()).toMatchObject({
      scopes: ['runs:read', 'runs:write'],
      rateLimitPerMinute: 1000,
      budgetUsd: '10.5',
      expiresAt: '2999-12-31T21:59:59.000Z',
      spentUsd: '0',
    })
  })

  it('gives what its maker has, when nothing is asked for', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    const created = createdApiKeySchema.parse((await createApiKey(member)).json())
    expect(created).toMatchObject({ scopes: MEMBER_PERMISSIONS, userId: member.userId })
  })

  it.each<[string, object, string]>([
    ['without a name', { name: undefined }, '/name'],
    ['with an empty name', { name: '  ' }, '/name'],
    ['with a name of 101 characters', { name: 'a'.repeat(101) }, '/name'],
    ['with a name that cannot be stored', { name: 'a\u0000b' }, '/name'],
    ['without scopes', { scopes: [] }, '/scopes'],
    ['with an invented scope', { scopes: ['root'] }, '/scopes/0'],
    ['that has ended', { expiresAt: LONG_AGO }, '/expiresAt'],
    ['that ends some day', { expiresAt: 'tomorrow' }, '/expiresAt'],
    ['that ends on the 30th of February', { expiresAt: '2999-02-30T00:00:00Z' }, '/expiresAt'],
    ['that ends after the year 9999', { expiresAt: '9999-12-31T23:59:59-01:00' }, '/expiresAt'],
    ['with no requests at all', { rateLimitPerMinute: 0 }, '/rateLimitPerMinute'],
    ['with half a request', { rateLimitPerMinute: 0.5 }, '/rateLimitPerMinute'],
    ['with more requests than an owner has', { rateLimitPerMinute: 1001 }, '/rateLimitPerMinute'],
    ['with a budget that is a number', { budgetUsd: 10 }, '/budgetUsd'],
    ['with a budget below nothing', { budgetUsd: '-1' }, '/budgetUsd'],
    ['with a budget in powers of ten', { budgetUsd: '1e3' }, '/budgetUsd'],
    ['for somebody else', { userId: newId() }, '/userId'],
    ['in another tenant', { tenantId: newId() }, '/tenantId'],
    ['with a key of his choice', { key: `tn_${'A'.repeat(46)}` }, '/key'],
  ])('is refused %s', async (_what, payload, pointer) => {
    const response = await createApiKey(owner, payload)
    expectProblem(response, { status: 400, code: 'validation_failed', instance: '/v1/api-keys', pointers: [pointer] })
    expect(await listIds(owner)).toEqual([])
  })

  it('is held to the rate of the role of its maker', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    expectProblem(await createApiKey(member, { rateLimitPerMinute: 301 }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/rateLimitPerMinute'],
    })
    expect((await createApiKey(member, { rateLimitPerMinute: 300 })).statusCode).toBe(201)
  })

  it('is refused with a permission that its maker lacks, by name', async () => {
    const member = await joinTenant(app, owner.tenantId, 'member')
    const response = await createApiKey(member, { scopes: ['runs:read', 'audit:read', 'members:write'] })
    expect(expectProblem(response, { status: 403, code: 'forbidden' }).detail).toMatch(/: audit:read, members:write\.$/)
  })

  it('is not for viewers', async () => {
    const viewer = await joinTenant(app, owner.tenantId, 'viewer')
    expectProblem(await createApiKey(viewer, { scopes: ['runs:read'] }), { status: 403, code: 'forbidden' })
  })

  it('is refused beyond a hundred a member, also when ten are asked for at once', async () => {
    await addKeys(owner, 95)
    const responses = await Promise.all(Array.from({ length: 10 }, () => createApiKey(owner)))
    const created = responses.filter(({ statusCode }) => statusCode === 201)
    expect(created).toHaveLength(5)
    for (const refused of responses.filter((response) => !created.includes(response))) {
      expectProblem(refused, { status: 409, code: 'api_key_limit_reached' })
    }
    const admin = await joinTenant(app, owner.tenantId, 'admin')
    expect((await createApiKey(admin)).statusCode).toBe(201)
    expect((await remove(owner, created[0]?.json().id)).statusCode).toBe(204)
    expect((await createApiKey(owner)).statusCode).toBe(201)
  })
})

describe('making an API key with an Idempotency-Key', () => {
  const ask = (who: Requester, idempotencyKey: string, name = 'once') =>
    who.request({
      method: 'POST',
      url: '/v1/api-keys',
      payload: { name },
      headers: { 'idempotency-key': idempotencyKey },
    })

  it('makes one, and shows the same again to whoever asked', async () => {
    const first = await ask(owner, 'k1')
    const again = await ask(owner, 'k1')
    expect([again.statusCode, again.body]).toEqual([201, first.body])
    expect(again.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'cache-control': 'no-store',
      location: url(first.json().id),
    })
    expect(await listIds(owner)).toEqual([first.json().id])
  })

  it('makes one when it is asked for ten times at once', async () => {
    const responses = await Promise.all(Array.from({ length: 10 }, () => ask(owner, 'k2')))
    const keys = responses.filter(({ statusCode }) => statusCode === 201).map((response) => response.json().key)
    expect(new Set(keys).size).toBe(1)
    expect(await listIds(owner)).toHaveLength(1)
  })

  it('keeps the key where nobody can read it, and gives it to nobody else', async () => {
    const { key } = (await ask(owner, 'k3')).json()
    const admin = await joinTenant(app, owner.tenantId, 'admin')
    expectProblem(await ask(admin, 'k3'), { status: 422, code: 'idempotency_key_reused' })
    expectProblem(await ask(owner, 'k3', 'other'), { status: 422, code: 'idempotency_key_reused' })
    const rows = await app.sql(
      `SELECT k::text AS row, encode(response_body, 'escape') AS body FROM idempotency_keys k WHERE tenant_id = $1`,
      [owner.tenantId],
    )
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(key.slice(10))
  })
})

describe('a key that makes a key', () => {
  const scopes = ['runs:read', 'api-keys:read', 'api-keys:write']

  it('gives all that it has, when nothing is asked for, and not what its maker has', async () => {
    const key = await TestApiKey.create(app, owner, { scopes })
    const created = createdApiKeySchema.parse((await createApiKey(key)).json())
    expect(created).toMatchObject({ scopes, userId: owner.userId })
  })

  it('cannot give what it lacks', async () => {
    const key = await TestApiKey.create(app, owner, { scopes })
    const response = await createApiKey(key, { scopes: ['runs:read', 'runs:write'] })
    expect(expectProblem(response, { status: 403, code: 'forbidden' }).detail).toContain('runs:write')
  })

  it('cannot give what its maker has lost since', async () => {
    const member = await joinTenant(app, owner.tenantId, 'admin')
    const key = await TestApiKey.create(app, member)
    await app.sql(`UPDATE memberships SET role = 'member' WHERE user_id = $1 AND tenant_id = $2`, [
      member.userId,
      owner.tenantId,
    ])
    expectProblem(await createApiKey(key, { scopes: ['audit:read'] }), { status: 403, code: 'forbidden' })
    expect((await createApiKey(key)).json().scopes).toEqual(MEMBER_PERMISSIONS)
  })

  it('takes what was made with it along when it is deleted, and what was made with that', async () => {
    const parent = await TestApiKey.create(app, owner)
    const child = await TestApiKey.create(app, parent)
    const [grandchild, stranger] = [await TestApiKey.create(app, child), await TestApiKey.create(app, owner)]
    const statuses = async () =>
      Promise.all([child, grandchild, stranger].map(async (key) => (await key.request({ url: '/v1/runs' })).statusCode))
    expect(await statuses()).toEqual([200, 200, 200])
    expect((await owner.request({ method: 'DELETE', url: `/v1/api-keys/${parent.id}` })).statusCode).toBe(204)
    expect(await statuses()).toEqual([401, 401, 200])
  })

  it('cannot make one that outlives it', async () => {
    const key = await TestApiKey.create(app, owner, { scopes, expiresAt: FAR_AHEAD })
    const later = await createApiKey(key, { expiresAt: '3000-01-01T00:00:00Z' })
    expect(expectProblem(later, { status: 403, code: 'forbidden' }).detail).toContain(FAR_AHEAD)
    expect((await createApiKey(key)).json().expiresAt).toBe(FAR_AHEAD)
    expect((await createApiKey(key, { expiresAt: null })).json().expiresAt).toBe(FAR_AHEAD)
    expect((await createApiKey(key, { expiresAt: '2999-01-01T00:00:00Z' })).json().expiresAt).toMatch(/^2999-01-01/)
  })

  it.each([
    ['a rate limit', { rateLimitPerMinute: 10 }],
    ['a budget', { budgetUsd: '10' }],
  ])('cannot do so when it has %s, which would be there once more', async (_what, limit) => {
    const key = await TestApiKey.create(app, owner, { scopes, ...limit })
    expectProblem(await createApiKey(key, limit), { status: 403, code: 'forbidden' })
    expectProblem(await createApiKey(key), { status: 403, code: 'forbidden' })
  })

  it('needs the permission for it', async () => {
    const key = await TestApiKey.create(app, owner, { scopes: ['runs:read', 'api-keys:read'] })
    expectProblem(await createApiKey(key, { scopes: ['runs:read'] }), { status: 403, code: 'forbidden' })
  })
})

describe('the list of API keys', () => {
  it('is newest first, page by page', async () => {
    const ids: string[] = []
    for (let made = 0; made < 5; made++) ids.unshift((await TestApiKey.create(app, owner)).id)
    const first = await owner.request({ method: 'GET', url: '/v1/api-keys?limit=2' })
    const page = apiKeyPageSchema.parse(first.json())
    expect(page.data.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    expect(first.headers['link']).toBe(`</v1/api-keys?limit=2&cursor=${page.nextCursor}>; rel="next"`)
    await TestApiKey.create(app, owner)
    expect(await listIds(owner, `?limit=3&cursor=${page.nextCursor}`)).toEqual(ids.slice(2))
  })

  it.each(['limit=0', 'limit=101', 'cursor=garbage', 'userId=x'])('refuses ?%s', async (query) => {
    const response = await owner.request({ method: 'GET', url: `/v1/api-keys?${query}` })
    expectProblem(response, { status: 400, code: 'validation_failed' })
  })

  it('is that of the tenant for owners and admins, and their own for members', async () => {
    const [admin, member] = [
      await joinTenant(app, owner.tenantId, 'admin'),
      await joinTenant(app, owner.tenantId, 'member'),
    ]
    const keys: TestApiKey[] = []
    for (const maker of [owner, admin, member]) keys.unshift(await TestApiKey.create(app, maker))
    const all = keys.map(({ id }) => id)
    expect(await listIds(owner)).toEqual(all)
    expect(await listIds(admin)).toEqual(all)
    expect(await listIds(member)).toEqual(all.slice(0, 1))
  })
})

describe('an API key that is not mine', () => {
  it.each(['of a colleague', 'of another tenant', 'that never was', 'with a malformed id'])(
    'is not found, in the same words: %s',
    async (whose) => {
      const member = await joinTenant(app, owner.tenantId, 'member')
      const foreign = await TestApiKey.create(app, await TestUser.register(app))
      const colleagues = await TestApiKey.create(app, owner)
      const id = { 'of a colleague': colleagues.id, 'of another tenant': foreign.id, 'that never was': newId() }[whose]
      const refusals = [await get(member, id ?? 'x'), await remove(member, id ?? 'x')]
      for (const response of refusals) {
        const problem = expectProblem(response, { status: 404, code: 'not_found', instance: url(id ?? 'x') })
        expect(problem.detail).toBe('There is no such API key.')
      }
      expect((await foreign.request({ url: '/v1/auth/me' })).statusCode).toBe(200)
      expect((await colleagues.request({ url: '/v1/auth/me' })).statusCode).toBe(200)
    },
  )

  it('of another tenant is out of the reach of an owner, too', async () => {
    const foreign = await TestApiKey.create(app, await TestUser.register(app))
    expectProblem(await get(owner, foreign.id), { status: 404, code: 'not_found' })
    expectProblem(await remove(owner, foreign.id), { status: 404, code: 'not_found' })
    expect((await foreign.request({ url: '/v1/auth/me' })).statusCode).toBe(200)
  })

  it('of a member is in the reach of an admin', async () => {
    const [admin, member] = [
      await joinTenant(app, owner.tenantId, 'admin'),
      await joinTenant(app, owner.tenantId, 'member'),
    ]
    const key = await TestApiKey.create(app, member)
    expect((await get(admin, key.id)).json()).toMatchObject({ id: key.id, userId: member.userId })
    expect((await remove(admin, key.id)).statusCode).toBe(204)
    expect((await key.request({ url: '/v1/auth/me' })).statusCode).toBe(401)
  })
})

describe('deleting an API key', () => {
  it('is done once, of ten who do it at once', async () => {
    const { id } = await TestApiKey.create(app, owner)
    const responses = await Promise.all(Array.from({ length: 10 }, () => remove(owner, id)))
    expect(responses.filter(({ statusCode }) => statusCode === 204)).toHaveLength(1)
    expect(responses.filter(({ statusCode }) => statusCode === 404)).toHaveLength(9)
    expect(await listIds(owner)).toEqual([])
  })

  it('can be done with the key itself', async () => {
    const key = await TestApiKey.create(app, owner)
    expect((await remove(key, key.id)).statusCode).toBe(204)
    expect((await remove(key, key.id)).statusCode).toBe(401)
  })
})

describe('the audit log', () => {
  it('is told of a key that is made and deleted, and never the key', async () => {
    const grant = {
      name: 'nightly',
      scopes: ['runs:read'],
      expiresAt: FAR_AHEAD,
      rateLimitPerMinute: 7,
      budgetUsd: '1',
    }
    const key = await TestApiKey.create(app, owner, grant)
    await remove(owner, key.id)
    const facts = { ...grant, userId: owner.userId }
    const told = events.filter((event) => event.audit.resource.id === key.id)
    expect(told.map(({ type, tenantId, audit }) => ({ type, tenantId, audit }))).toEqual([
      {
        type: 'api_key.created',
        tenantId: owner.tenantId,
        audit: { action: 'authn_token_created', resource: { type: 'api_key', id: key.id }, after: facts },
      },
      {
        type: 'api_key.deleted',
        tenantId: owner.tenantId,
        audit: { action: 'authn_token_delete', resource: { type: 'api_key', id: key.id }, before: facts },
      },
    ])
    expect(JSON.stringify(told)).not.toContain(key.text.slice(10))
  })
})
