import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { list, record, recordMany } from './audit-trail.js'

const ROWS = 30_000
/** An idle backend tells of its index scans within ten seconds. */
const STATISTICS_TIMEOUT_MS = 25_000

let app: TestApp
beforeAll(async () => {
  app = await TestApp.start()
})
afterAll(async () => app[Symbol.asyncDispose]())

async function actionsOf(user: TestUser, query: string): Promise<string[]> {
  return (await list(user, query)).map(({ action }) => action)
}

describe('the filters', () => {
  let user: TestUser
  const key = '0199f0f0-0000-7000-8000-0000000000aa'

  beforeAll(async () => {
    user = await TestUser.register(app)
    const actor = { type: 'user' as const, id: user.userId }
    await record(app, user, { action: 'a1', actor, resource: { type: 'door', id: '1' } })
    await record(app, user, { action: 'a2', actor: { type: 'api_key', id: key }, resource: { type: 'door', id: '2' } })
    await record(app, user, {
      action: 'a3',
      actor: { type: 'anonymous', id: null },
      resource: { type: 'gate', id: 'a/b' },
    })
    await record(app, user, { action: 'a4', actor, resource: { type: 'gate', id: '1' } })
    for (const day of [1, 2, 3, 4]) {
      await app.sql('ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only')
      await app.sql('UPDATE audit_log SET occurred_at = $1 WHERE tenant_id = $2 AND action = $3', [
        `2026-03-0${day}T12:00:00Z`,
        user.tenantId,
        `a${day}`,
      ])
      await app.sql('ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only')
    }
  })

  const cases = (): [string, string[]][] => [
    ['?q=door%20or%20gate', ['a4', 'a3', 'a2', 'a1']],
    [`?actor=${key}`, ['a2']],
    ['?actor=anonymous', ['a3']],
    [`?actor=${user.userId}&resource=gate`, ['a4']],
    ['?action=a3', ['a3']],
    ['?action=a', []],
    ['?resource=door', ['a2', 'a1']],
    ['?resource=door/1', ['a1']],
    ['?resource=gate/a/b', ['a3']],
    ['?resource=window', []],
    ['?resource=door&from=2026-03-02T12:00:00Z', ['a2']],
    ['?from=2026-03-02T12:00:00Z&to=2026-03-04T12:00:00Z', ['a3', 'a2']],
    ['?from=2026-03-02T13:00:00%2B01:00&to=2026-03-02T12:00:00.001Z', ['a2']],
    ['?q=door&action=a2', ['a2']],
    [`?q=gate&actor=${user.userId}`, ['a4']],
    ['?q=gate&actor=anonymous&resource=gate/a/b&from=2026-03-03T00:00:00Z&to=2026-03-04T00:00:00Z', ['a3']],
    ['?q=gate&to=2026-03-01T00:00:00Z', []],
  ]

  it('give the entries that match, alone and together, with words and without', async () => {
    for (const [query, actions] of cases()) expect([query, await actionsOf(user, query)]).toEqual([query, actions])
  })

  it('show nobody the entries of another tenant', async () => {
    const stranger = await TestUser.register(app)
    for (const [query] of cases()) expect([query, await actionsOf(stranger, query)]).toEqual([query, []])
  })

  it.each([
    ['?q=', '/q'],
    ['?q=%00', '/q'],
    ['?actor=a%00', '/actor'],
    ['?action=%00', '/action'],
    ['?resource=', '/resource'],
    ['?from=yesterday', '/from'],
    ['?to=2026-02-30T00:00:00Z', '/to'],
    ['?limit=0', '/limit'],
    ['?limit=101', '/limit'],
    ['?cursor=abc', '/cursor'],
    [`?cursor=${Buffer.from('-1').toString('base64url')}`, '/cursor'],
    [`?cursor=${Buffer.from('9'.repeat(19)).toString('base64url')}`, '/cursor'],
    ['?q=a&q=b', '/q'],
    ['?sort=hash', '/sort'],
  ])('refuse %s', async (query, pointer) => {
    const response = await user.request({ url: `/v1/audit-log${query}` })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: [pointer] })
  })
})

describe('full-text search', () => {
  let user: TestUser

  beforeAll(async () => {
    user = await TestUser.register(app)
    await record(app, user, { action: 'one', after: { email: 'Alice.Smith@Example.com', note: 'the quick brown fox' } })
    await record(app, user, {
      action: 'two',
      before: { city: 'Zürich' },
      after: { city: 'ÅRHUS', tags: ['日本語 テスト'] },
    })
    await record(app, user, {
      action: 'three',
      after: { count: 4711, deep: { list: [{ word: 'Ωmega' }] }, wide: 'ＦＵＬＬ' },
    })
    await record(app, user, { action: 'authn_login_fail', resource: { type: 'project', id: 'web-site' } })
  })

  it.each([
    ['alice', ['one']],
    ['example', ['one']],
    ['alice.smith@example.com', ['one']],
    ['ALICE.SMITH@EXAMPLE.COM', ['one']],
    ['quick fox', ['one']],
    ['"quick brown"', ['one']],
    ['"brown quick"', []],
    ['fox -quick', []],
    ['fox or 4711', ['three', 'one']],
    ['4711', ['three']],
    ['zürich', ['two']],
    ['ZÜRICH', ['two']],
    ['århus', ['two']],
    ['A\u030Arhus', ['two']],
    ['日本語', ['two']],
    ['ωmega', ['three']],
    ['full', ['three']],
    ['authn_login_fail', ['authn_login_fail']],
    ['login', ['authn_login_fail']],
    ['project/web-site', ['authn_login_fail']],
    ['site project', ['authn_login_fail']],
    ['nowhere', []],
    ['-fox login', ['authn_login_fail']],
  ])('finds by %s', async (words, actions) => {
    expect(await actionsOf(user, `?q=${encodeURIComponent(words)}`)).toEqual(actions)
  })

  it.each([
    '"',
    '""',
    '"a',
    "'",
    '!!!',
    '&',
    '|',
    '(',
    ')',
    ':*',
    'a:*',
    '-',
    '--',
    '- -',
    '-"',
    'or',
    'or or',
    '<->',
    '\\',
    '%',
    '\u0001',
    '\u{1F600}',
    '; DROP TABLE audit_log',
    'a:b:c',
    '*',
    '𝕏𝕏𝕏',
  ])('takes %j for words, not for a fault', async (words) => {
    expect((await user.request({ url: `/v1/audit-log?q=${encodeURIComponent(words)}` })).statusCode).toBe(200)
  })

  it('answers anything that has no null character', async () => {
    const words = fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }).filter((text) => !text.includes('\0'))
    await fc.assert(
      fc.asyncProperty(words, async (text) => {
        const response = await user.request({ url: `/v1/audit-log?q=${encodeURIComponent(text)}` })
        expect(response.statusCode).toBe(200)
      }),
      { numRuns: 150 },
    )
  })
})

it('refuses a search of more than 200 characters', async () => {
  const user = await TestUser.register(app)
  expect((await user.request({ url: `/v1/audit-log?q=${'x'.repeat(200)}` })).statusCode).toBe(200)
  const response = await user.request({ url: `/v1/audit-log?q=${'x'.repeat(201)}` })
  expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/q'] })
})

describe('pages', () => {
  it('are newest first and stable while entries are added, with words and without', async () => {
    for (const words of ['', 'q=thing&']) {
      const user = await TestUser.register(app)
      await recordMany(app, user, 7)
      const expected = (await list(user, `?${words}limit=100`)).map(({ id }) => id)
      const seen: string[] = []
      let url: string | undefined = `/v1/audit-log?${words}limit=3`
      while (url !== undefined) {
        const response = await user.request({ url })
        const { data, nextCursor } = response.json()
        seen.push(...data.map(({ id }: { id: string }) => id))
        url = /^<([^>]+)>; rel="next"$/.exec(String(response.headers['link']))?.[1]
        expect(url === undefined).toBe(nextCursor === null)
        await recordMany(app, user, 2)
      }
      expect(seen).toEqual(expected)
    }
  })

  it('of another tenant are not reached by its cursor', async () => {
    const [owner, other] = [await TestUser.register(app), await TestUser.register(app)]
    await recordMany(app, owner, 5)
    await record(app, other, { action: 'mine' })
    const { nextCursor } = (await owner.request({ url: '/v1/audit-log?limit=1' })).json()
    const entries = await list(other, `?cursor=${nextCursor}`)
    const own = await list(other, '?limit=100')
    expect(own.map(({ id }) => id)).toEqual(expect.arrayContaining(entries.map(({ id }) => id)))
  })
})

describe('with many rows of many tenants', () => {
  let user: TestUser

  beforeAll(async () => {
    user = await TestUser.register(app)
    const others = [await TestUser.register(app), await TestUser.register(app)]
    for (const { tenantId } of [user, ...others]) {
      await app.sql(
        `INSERT INTO audit_log (tenant_id, sequence, id, occurred_at, actor_type, actor_id, action, resource_type,
           resource_id, hash)
         SELECT $1, 1000 + i, gen_random_uuid(), now() - i * interval '1 minute', 'user', 'actor' || i % 1000,
                'action' || i % 1000, 'kind' || i % 10, i::text, ''
           FROM generate_series(1, ${ROWS}) i`,
        [tenantId],
      )
      await app.sql(
        `INSERT INTO audit_search (tenant_id, sequence, search)
         SELECT $1, 1000 + i, to_tsvector('simple', 'common rare' || i % 1000) FROM generate_series(1, ${ROWS}) i`,
        [tenantId],
      )
    }
    await app.sql('ANALYZE audit_log, audit_search')
  })

  async function scansOf(): Promise<Record<string, number>> {
    const rows = await app.sql(
      `SELECT indexrelname AS name, idx_scan::int AS scans FROM pg_stat_user_indexes WHERE relname LIKE 'audit_%'
       UNION ALL SELECT 'whole ' || relname, seq_scan::int FROM pg_stat_user_tables WHERE relname LIKE 'audit_%'`,
    )
    return Object.fromEntries(rows.map(({ name, scans }) => [String(name), Number(scans)]))
  }

  it('the list and each filter use the index that was made for them, and none reads the whole table', async () => {
    const before = await scansOf()
    const now = Date.now()
    const month = `from=${new Date(now - 6 * 60_000).toISOString()}&to=${new Date(now).toISOString()}`
    const counts = []
    for (const query of [
      '?limit=100',
      '?actor=actor7&limit=100',
      '?action=action7&limit=100',
      '?resource=kind7/77&limit=100',
      `?${month}&limit=100`,
      '?q=rare7&limit=100',
      '?q=common&limit=100',
    ]) {
      counts.push((await list(user, query)).length)
    }
    expect(counts).toEqual([100, 30, 30, 1, expect.any(Number), 30, 100])
    const expected = [
      'audit_log_pkey',
      'audit_search_pkey',
      'idx_audit_log_tenant_actor',
      'idx_audit_log_tenant_action',
      'idx_audit_log_tenant_resource',
      'idx_audit_log_tenant_date',
      'idx_audit_log_fts',
    ]
    const deadline = Date.now() + STATISTICS_TIMEOUT_MS
    let unused = expected
    let after = before
    while (unused.length > 0 && Date.now() < deadline) {
      await sleep(250)
      after = await scansOf()
      unused = expected.filter((name) => (after[name] ?? 0) <= (before[name] ?? 0))
    }
    expect(unused).toEqual([])
    for (const whole of ['whole audit_log', 'whole audit_search']) {
      expect([whole, after[whole]]).toEqual([whole, before[whole]])
    }
  })
})

describe('the table that is searched', () => {
  it('shows the role that serves what it searches for in its tenant, and nothing else', async () => {
    const [mine, theirs] = [await TestUser.register(app), await TestUser.register(app)]
    await record(app, mine, { after: { word: 'sesame' } })
    await record(app, mine, { after: { word: 'poppy' } })
    await record(app, theirs, { after: { word: 'sesame' } })
    await withClient(app.nest.get(DATABASE_APP_URL), async (client) => {
      const counts = []
      for (const words of ['', 'sesame', '-sesame poppy']) {
        await client.query(
          `SELECT set_config('app.current_tenant', $1, false), set_config('app.audit_query', $2, false)`,
          [mine.tenantId, words],
        )
        counts.push((await client.query('SELECT sequence FROM audit_search')).rowCount)
      }
      expect(counts).toEqual([0, 1, 1])
    })
  })
})
