import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { requestContext, type RequestContext } from '#platform/http/request-context.js'
import type { Tx } from '#platform/database/tx.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { emit, list, record, verify } from './audit-trail.js'

const WRITES = 200
const TENANTS = 20
/** Waits for locks and connections are part of these tests; how long they take is not. */
const PATIENT = { DATABASE_CONNECT_TIMEOUT_MS: '30000', DATABASE_STATEMENT_TIMEOUT_MS: '30000' }

let app: TestApp
let database: Database

beforeAll(async () => {
  app = await TestApp.start({ env: PATIENT })
  database = app.nest.get(Database)
})
afterAll(async () => app[Symbol.asyncDispose]())

function addProject(tenantId: string, slug: string, tx: Tx): Promise<number> {
  return tx.execute({
    text: `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at) VALUES ($1, $2, $3, $3, now(), now())`,
    values: [tenantId, newId(), slug],
  })
}

async function registerAndRename() {
  const user = await TestUser.register(app)
  const request = await user.request({ method: 'PATCH', url: '/v1/auth/me', payload: { name: 'Ada' } })
  return { email: user.email, tenantId: user.tenantId, userId: user.userId, request }
}

describe('an audited event', () => {
  it('is one entry, committed with the write that it tells of', async () => {
    const user = await TestUser.register(app)
    const { checked } = await verify(user)
    await database.transaction(user, async (tx) => {
      await addProject(user.tenantId, 'website', tx)
      const facts = {
        action: 'project_created',
        resource: { type: 'project', id: 'website' },
        actor: { type: 'user' as const, id: user.userId },
        after: { name: 'Website' },
      }
      await emit(app, user.tenantId, facts, tx)
    })
    expect(await list(user, '?action=project_created')).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        sequence: checked + 1,
        occurredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        actor: { type: 'user', id: user.userId },
        action: 'project_created',
        resource: { type: 'project', id: 'website' },
        before: null,
        after: { name: 'Website' },
        address: null,
        requestId: null,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ])
  })

  it('of a request has its id and where it came from', async () => {
    const { email, tenantId, userId, request } = await registerAndRename()
    expect(request.statusCode).toBe(200)
    const rows = await app.sql('SELECT * FROM audit_log WHERE tenant_id = $1 ORDER BY sequence', [tenantId])
    expect(rows[0]).toMatchObject({ sequence: '1', action: 'user_created', actor_type: 'user', actor_id: userId })
    expect(rows.at(-1)).toMatchObject({
      action: 'user_updated',
      actor_type: 'user',
      actor_id: userId,
      after: { name: 'Ada' },
      address: '127.0.0.1',
      request_id: request.headers['x-request-id'],
    })
    expect(JSON.stringify(rows)).not.toContain(email)
  })

  it('leaves no entry, and no gap, when the write is rolled back', async () => {
    const user = await TestUser.register(app)
    await record(app, user)
    const before = await verify(user)
    const failing = database.transaction(user, async (tx) => {
      await emit(app, user.tenantId, {}, tx)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await verify(user)).toEqual(before)
    await record(app, user)
    expect((await list(user, '?limit=1'))[0]?.sequence).toBe(before.checked + 1)
  })

  it('takes the write back with it when the entry cannot be written', async () => {
    const [mine, theirs] = [await TestUser.register(app), await TestUser.register(app)]
    const before = await verify(theirs)
    const failing = database.transaction(mine, async (tx) => {
      await addProject(mine.tenantId, 'lost', tx)
      await emit(app, theirs.tenantId, {}, tx)
    })
    await expect(failing).rejects.toThrow(/row-level security/)
    expect(await app.sql(`SELECT 1 FROM projects WHERE slug = 'lost'`)).toEqual([])
    expect(await verify(theirs)).toEqual(before)
  })

  it('is several entries in their order when a write does several things', async () => {
    const user = await TestUser.register(app)
    await database.transaction(user, async (tx) => {
      await emit(app, user.tenantId, { action: 'first' }, tx)
      await emit(app, user.tenantId, { action: 'second' }, tx)
    })
    expect((await list(user, '?limit=2')).map(({ action }) => action)).toEqual(['second', 'first'])
    expect((await verify(user)).valid).toBe(true)
  })

  it.each<[string, Partial<RequestContext> | undefined, { type: string; id: string | null }]>([
    ['the user who asks', { userId: 'u1' }, { type: 'user', id: 'u1' }],
    ['the API key that asks, not its maker', { userId: 'u1', apiKeyId: 'k1' }, { type: 'api_key', id: 'k1' }],
    ['nobody known in a request without a principal', {}, { type: 'anonymous', id: null }],
    ['the system outside of a request', undefined, { type: 'system', id: null }],
  ])('names %s', async (_who, context, actor) => {
    const user = await TestUser.register(app)
    const request = { requestId: 'request-1', address: '2001:db8::1', ...context }
    if (context) await requestContext.run(request, () => record(app, user))
    else await record(app, user)
    expect((await list(user, '?limit=1'))[0]).toMatchObject({
      actor,
      address: context ? '2001:db8::1' : null,
      requestId: context ? 'request-1' : null,
    })
  })

  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['unknown', null],
    ['<script>alert(1)</script>', null],
    ['203.0.113.7:4711', null],
  ])('of a request from %j has the address %j', async (address, kept) => {
    const user = await TestUser.register(app)
    await requestContext.run({ requestId: 'request-1', address }, () => record(app, user))
    expect((await list(user, '?limit=1'))[0]).toMatchObject({ address: kept, requestId: 'request-1' })
  })

  it('keeps changed fields alone, and no secret', async () => {
    const user = await TestUser.register(app)
    await record(app, user, {
      before: { role: 'member', name: 'Ada', passwordHash: 'one' },
      after: { role: 'admin', name: 'Ada', passwordHash: 'two', nested: { apiKey: 'hunter2' } },
    })
    const [entry] = await list(user, '?limit=1')
    expect([entry?.before, entry?.after]).toEqual([
      { role: 'member', passwordHash: '[redacted]' },
      { role: 'admin', passwordHash: '[redacted]', nested: { apiKey: '[redacted]' } },
    ])
    const rows = await app.sql(`SELECT * FROM audit_search WHERE tenant_id = $1 AND search @@ 'hunter2'`, [
      user.tenantId,
    ])
    expect(rows).toEqual([])
  })

  it.each([
    ['what PostgreSQL cannot store', { text: 'a\0b\ud800', 'k\0': 'v' }],
    ['numbers of every size', { numbers: [0, -0, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53, -1.5] }],
    ['names that are odd', { __proto__x: 1, '': 2, constructor: 3, 'ö😀': 4, '10': 5, '9': 6 }],
    ['more than fits', { text: 'x'.repeat(100_000), list: Array.from({ length: 1000 }, () => '€'.repeat(500)) }],
    ['odd white space', { text: '\u2028\u2029\t\r\n\u007f\u0001 \\u0000 "' }],
  ])('chains %s so that it verifies from the table', async (_what, after) => {
    const user = await TestUser.register(app)
    await record(app, user, { after })
    await record(app, user)
    expect(await verify(user)).toMatchObject({ valid: true, firstBroken: null })
  })
})

describe('concurrent writes', () => {
  it(`of one tenant make a chain without gap or fork: ${WRITES}`, async () => {
    const user = await TestUser.register(app)
    const { checked } = await verify(user)
    await Promise.all(Array.from({ length: WRITES }, (_, index) => record(app, user, { after: { index } })))
    expect(await verify(user)).toMatchObject({ valid: true, checked: checked + WRITES })
  })

  it(`of ${TENANTS} tenants make a chain each: ${WRITES}`, async () => {
    const users = await Promise.all(Array.from({ length: TENANTS }, () => TestUser.register(app)))
    const before = await Promise.all(users.map(verify))
    await Promise.all(Array.from({ length: WRITES }, (_, index) => record(app, users[index % TENANTS]!)))
    for (const [index, user] of users.entries()) {
      const checked = before[index]!.checked + WRITES / TENANTS
      expect(await verify(user)).toMatchObject({ valid: true, checked, head: { sequence: checked } })
    }
  })

  it('of which some fail leave no trace of those', async () => {
    const user = await TestUser.register(app)
    const { checked } = await verify(user)
    const write = (index: number): Promise<void> =>
      database.transaction(user, async (tx) => {
        await emit(app, user.tenantId, { after: { index } }, tx)
        if (index % 2 === 1) throw new Error('odd')
      })
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, index) => write(index)))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(50)
    expect(await verify(user)).toMatchObject({ valid: true, checked: checked + 50 })
  })

  it('do not wait for each other in a circle: the chain is locked after all else', async () => {
    const user = await TestUser.register(app)
    const lock = { text: 'SELECT pg_advisory_xact_lock(42)' }
    const taken = Promise.withResolvers<void>()
    const emitted = Promise.withResolvers<void>()
    const first = database.transaction(user, async (tx) => {
      await tx.query(lock)
      taken.resolve()
      await emitted.promise
      await emit(app, user.tenantId, { action: 'first' }, tx)
    })
    const second = database.transaction(user, async (tx) => {
      await taken.promise
      await emit(app, user.tenantId, { action: 'second' }, tx)
      emitted.resolve()
      await tx.query(lock)
    })
    await Promise.all([first, second])
    expect((await list(user, '?limit=2')).map(({ action }) => action)).toEqual(['second', 'first'])
  })
})
