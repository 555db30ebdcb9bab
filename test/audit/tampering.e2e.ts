import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Client } from 'pg'
import { newId } from '#kernel/ids.js'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { canonicalPayload, nextHash } from '../../src/modules/audit/audit-chain.js'
import { AuditVerificationService } from '../../src/modules/audit/audit-verification.service.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { list, record, recordMany, signInAs, tamper, verify } from './audit-trail.js'

/** Waits for locks and connections are part of these tests; how long they take is not. */
const PATIENT = { DATABASE_CONNECT_TIMEOUT_MS: '30000', DATABASE_STATEMENT_TIMEOUT_MS: '30000' }
const CHANGES = [
  `UPDATE audit_log SET action = 'nothing' WHERE true`,
  'DELETE FROM audit_log',
  'TRUNCATE audit_log',
  `INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (tenant_id, sequence) DO UPDATE SET action = 'nothing'`,
  `UPDATE audit_search SET search = ''`,
  'DELETE FROM audit_search',
  'TRUNCATE audit_search',
  `MERGE INTO audit_log a USING audit_log b ON a.id = b.id WHEN MATCHED THEN DELETE`,
]

let app: TestApp
let user: TestUser
/** The sequence of the first of six entries; signing up may have left some before. */
let first: number

beforeAll(async () => {
  app = await TestApp.start({ env: PATIENT })
})
beforeEach(async () => {
  user = await TestUser.register(app)
  first = (await verify(user)).checked + 1
  await recordMany(app, user, 6)
})
afterAll(async () => app[Symbol.asyncDispose]())

function change(sql: string, ...sequences: number[]): Promise<void> {
  return tamper(app, sql, [user.tenantId, ...sequences])
}

async function idAt(sequence: number): Promise<string | undefined> {
  return (await list(user, '?limit=100')).find((entry) => entry.sequence === sequence)?.id
}

/** A row as whoever knows the algorithm would forge it: its hash follows from the row before. */
async function forge(sequence: number): Promise<void> {
  const before = (await list(user, '?limit=100')).find((entry) => entry.sequence === sequence - 1)
  const facts = {
    id: newId(),
    occurredAt: new Date().toISOString(),
    actor: { type: 'system' as const, id: null },
    action: 'forged',
    resource: { type: 'thing', id: '1' },
    before: null,
    after: null,
    address: null,
    requestId: null,
  }
  const hash = nextHash(Buffer.from(String(before?.hash), 'hex'), canonicalPayload(user.tenantId, facts))
  await tamper(
    app,
    `INSERT INTO audit_log (tenant_id, sequence, id, occurred_at, actor_type, action, resource_type, resource_id, hash)
     VALUES ($1, $2, $3, $4, 'system', 'forged', 'thing', '1', $5)`,
    [user.tenantId, sequence, facts.id, facts.occurredAt, hash],
  )
}

describe('verifying', () => {
  it('says that an untouched log is valid, and where it ends', async () => {
    const [last] = await list(user, '?limit=1')
    expect(await verify(user)).toEqual({
      valid: true,
      checked: first + 5,
      firstBroken: null,
      head: { sequence: last?.sequence, hash: last?.hash },
    })
  })

  it.each([
    `action = 'nothing'`,
    `after = '{"index": 33}'`,
    'after = NULL',
    `before = '{}'`,
    `actor_type = 'anonymous'`,
    `actor_id = 'somebody'`,
    `resource_type = 'other'`,
    `resource_id = '2'`,
    `address = '192.0.2.1'`,
    `request_id = 'another'`,
    `occurred_at = occurred_at + interval '1 microsecond'`,
    `occurred_at = 'infinity'`,
    'id = gen_random_uuid()',
    `hash = sha256('x')`,
  ])('finds a row with %s', async (assignment) => {
    await change(`UPDATE audit_log SET ${assignment} WHERE tenant_id = $1 AND sequence = $2`, first + 2)
    const [row] = await app.sql('SELECT id FROM audit_log WHERE tenant_id = $1 AND sequence = $2', [
      user.tenantId,
      first + 2,
    ])
    expect(await verify(user)).toMatchObject({
      valid: false,
      checked: first + 1,
      firstBroken: { sequence: first + 2, id: row?.['id'], reason: 'changed' },
    })
  })

  it('finds a row that is gone', async () => {
    await change('DELETE FROM audit_log WHERE tenant_id = $1 AND sequence = $2', first + 2)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 2, id: null, reason: 'missing' })
  })

  it('finds a gap that was closed by moving the rows after it', async () => {
    const id = await idAt(first + 3)
    await change('DELETE FROM audit_log WHERE tenant_id = $1 AND sequence = $2', first + 2)
    await change('UPDATE audit_log SET sequence = sequence - 1 WHERE tenant_id = $1 AND sequence = $2 + 1', first + 2)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 2, id, reason: 'changed' })
  })

  it('finds an end that was cut off', async () => {
    await change('DELETE FROM audit_log WHERE tenant_id = $1 AND sequence >= $2', first + 4)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 4, id: null, reason: 'truncated' })
  })

  it('finds a log that was emptied', async () => {
    await change('DELETE FROM audit_log WHERE tenant_id = $1')
    expect(await verify(user)).toMatchObject({
      valid: false,
      checked: 0,
      firstBroken: { sequence: 1, id: null, reason: 'truncated' },
    })
  })

  it('finds two rows that changed places', async () => {
    const id = await idAt(first + 2)
    const move = 'UPDATE audit_log SET sequence = $3 WHERE tenant_id = $1 AND sequence = $2'
    await change(move, first + 1, 9999)
    await change(move, first + 2, first + 1)
    await change(move, 9999, first + 2)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 1, id, reason: 'changed' })
  })

  it('finds a row that was put in between, by the one after it when it was forged with care', async () => {
    const id = await idAt(first + 2)
    for (let sequence = first + 5; sequence >= first + 2; sequence -= 1) {
      await change('UPDATE audit_log SET sequence = sequence + 1 WHERE tenant_id = $1 AND sequence = $2', sequence)
    }
    await forge(first + 2)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 3, id, reason: 'changed' })
  })

  it('finds a row past the head, however well it fits, and one before the first', async () => {
    await forge(first + 6)
    const id = await idAt(first + 6)
    expect((await verify(user)).firstBroken).toEqual({ sequence: first + 6, id, reason: 'inserted' })
    await change(
      'UPDATE audit_log SET sequence = -9223372036854775808 WHERE tenant_id = $1 AND sequence = $2',
      first + 6,
    )
    expect((await verify(user)).firstBroken).toMatchObject({ id, reason: 'inserted' })
  })

  it('finds a head that was changed, moved or removed', async () => {
    await app.sql(`UPDATE audit_chain_heads SET hash = sha256('x') WHERE tenant_id = $1`, [user.tenantId])
    expect((await verify(user)).firstBroken).toMatchObject({ sequence: first + 5, reason: 'head_changed' })
    await app.sql('UPDATE audit_chain_heads SET sequence = sequence - 1 WHERE tenant_id = $1', [user.tenantId])
    expect((await verify(user)).firstBroken).toMatchObject({ sequence: first + 5, reason: 'inserted' })
    await app.sql('DELETE FROM audit_chain_heads WHERE tenant_id = $1', [user.tenantId])
    expect(await verify(user)).toMatchObject({
      head: null,
      firstBroken: { sequence: first + 5, reason: 'head_missing' },
    })
  })

  it('looks past its first batch', async () => {
    await Promise.all(Array.from({ length: 450 }, () => record(app, user)))
    expect(await verify(user)).toMatchObject({ valid: true, checked: first + 455 })
    await change('DELETE FROM audit_log WHERE tenant_id = $1 AND sequence = $2', first + 430)
    expect((await verify(user)).firstBroken).toMatchObject({ sequence: first + 430, reason: 'missing' })
  })

  it('is right while entries are added', async () => {
    const writing = Promise.all(Array.from({ length: 150 }, () => record(app, user)))
    const seen: number[] = []
    for (let round = 0; round < 15; round += 1) {
      const { valid, checked, head } = await verify(user)
      expect([valid, checked]).toEqual([true, head?.sequence])
      seen.push(checked)
    }
    await writing
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect((await verify(user)).checked).toBe(first + 155)
  })

  it('looks at one tenant alone', async () => {
    const other = await TestUser.register(app)
    await recordMany(app, other, 2)
    await change('DELETE FROM audit_log WHERE tenant_id = $1 AND sequence = $2', first)
    expect((await verify(user)).valid).toBe(false)
    expect((await verify(other)).valid).toBe(true)
  })

  it('refuses a second walk of the same log meanwhile, and no other', async () => {
    const blocker = new Client({ connectionString: app.database.url })
    await blocker.connect()
    const other = await TestUser.register(app)
    const ask = (who: TestUser) => who.request({ url: '/v1/audit-log/verify' })
    try {
      await blocker.query('BEGIN')
      await blocker.query('LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE')
      const both = [ask(user), ask(user)]
      expectProblem(await Promise.race(both), { status: 409, code: 'verification_running' })
      const others = ask(other)
      await blocker.query('COMMIT')
      const statuses = (await Promise.all([...both, others])).map(({ statusCode }) => statusCode)
      expect(statuses.sort((a, b) => a - b)).toEqual([200, 200, 409])
    } finally {
      await blocker.end()
    }
    expect((await verify(user)).valid).toBe(true)
  })

  it('ends when nobody waits for its outcome, and can be asked for again', async () => {
    const { tenantId } = user
    const verification = app.nest.get(AuditVerificationService)
    const unwanted = verification.verify({ tenantId } as Principal, AbortSignal.abort())
    await expect(unwanted).rejects.toMatchObject({ kind: 'unavailable' })
    expect((await verify(user)).valid).toBe(true)
  })

  it.each(['member', 'viewer'])('is not for a %s, nor is the log', async (role) => {
    const token = await signInAs(app, user, role)
    const headers = { authorization: `Bearer ${token}` }
    for (const route of ['', '/verify', '/export.ndjson', '/export.csv']) {
      const url = `/v1/audit-log${route}`
      expectProblem(await app.inject({ url, headers }), { status: 403, code: 'forbidden' })
      expect((await app.inject({ method: 'HEAD', url, headers })).statusCode).toBe(403)
      expect((await user.request({ method: 'HEAD', url })).statusCode).toBe(200)
    }
  })
})

describe('the table', () => {
  it.each(CHANGES)('refuses the role that serves: %s', async (sql) => {
    await withClient(app.nest.get(DATABASE_APP_URL), async (client) => {
      await client.query(`SELECT set_config('app.current_tenant', $1, false)`, [user.tenantId])
      expect((await client.query('SELECT 1 FROM audit_log')).rowCount).toBe(first + 5)
      await expect(client.query(sql)).rejects.toMatchObject({ code: '42501' })
    })
    expect((await verify(user)).valid).toBe(true)
  })

  it.each(CHANGES)('refuses even a superuser, until he takes the trigger away: %s', async (sql) => {
    await expect(app.sql(sql)).rejects.toThrow(/append-only/)
    expect((await verify(user)).valid).toBe(true)
  })

  it('refuses the serving role to take the trigger away, or to write for another tenant', async () => {
    const other = await TestUser.register(app)
    await withClient(app.nest.get(DATABASE_APP_URL), async (client) => {
      await client.query(`SELECT set_config('app.current_tenant', $1, false)`, [other.tenantId])
      const refused = { code: '42501' }
      await expect(client.query('ALTER TABLE audit_log DISABLE TRIGGER ALL')).rejects.toMatchObject(refused)
      const insert = client.query(
        `INSERT INTO audit_log (tenant_id, sequence, id, occurred_at, actor_type, action, resource_type, resource_id, hash)
         VALUES ($1, 999, gen_random_uuid(), now(), 'system', 'x', 'x', 'x', '')`,
        [user.tenantId],
      )
      await expect(insert).rejects.toMatchObject(refused)
    })
  })
})
