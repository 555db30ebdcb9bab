import { createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { comparable } from '../support/comparable.js'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const LOCK_AFTER = 5
const POLL_MS = 20
const HASH_RESOURCE = 'argon2:HashWorker'

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start({ env: { LOGIN_LOCKOUT_AFTER_FAILURES: String(LOCK_AFTER) } })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const login = (email: string, password = PASSWORD, { on = app, tenantId }: { on?: TestApp; tenantId?: string } = {}) =>
  on.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password, tenantId } })
const failures = async () => (await app.sql('SELECT sum(failures)::int AS sum FROM login_attempts'))[0]?.['sum']

function toComparable(answer: Awaited<ReturnType<typeof login>>): object {
  const { requestId: _, ...problem } = answer.json()
  return { ...comparable(answer), body: problem }
}

/** How often argon2 ran meanwhile. */
async function hashesOf(work: () => Promise<unknown>): Promise<number> {
  let count = 0
  const hook = createHook({
    init: (_id, type) => {
      if (type === HASH_RESOURCE) count += 1
    },
  }).enable()
  await work().finally(() => hook.disable())
  return count
}

async function join(tenantId: string): Promise<void> {
  await app.sql(`INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'member', now())`, [
    tenantId,
    user.userId,
  ])
}

/** The rows about the user in a tenant's audit log, once there are `count`. */
async function rowsOf(tenantId: string, action: string, count: number): Promise<Record<string, unknown>[]> {
  while (true) {
    const rows = await app.sql(
      'SELECT actor_type, actor_id, after FROM audit_log WHERE tenant_id = $1 AND action = $2 AND resource_id = $3 ORDER BY sequence',
      [tenantId, action, user.userId],
    )
    if (rows.length >= count) return rows
    await sleep(POLL_MS)
  }
}

async function lockAndLetWaitPass(email: string): Promise<void> {
  for (let count = 0; count < LOCK_AFTER; count++) await login(email, 'wrong')
  await app.sql(`UPDATE login_attempts SET locked_until = now() - interval '1 s' WHERE locked_until IS NOT NULL`)
}

describe('a wrong password', () => {
  it('takes the same statements and as many hashes as an address that nobody has', async () => {
    const answers: object[] = []
    const seen = async (email: string) => {
      let statements: string[] = []
      const hashes = await hashesOf(async () => {
        statements = await statementsOf(async () => void answers.push(toComparable(await login(email, 'wrong'))))
      })
      return { statements, hashes }
    }
    const known = await seen(user.email)
    const unknown = await seen('nobody@example.com')
    expect(known.hashes).toBe(1)
    expect(known.statements.length).toBeGreaterThan(3)
    expect(unknown).toEqual(known)
    expect(answers[1]).toEqual(answers[0])
  })

  it('takes as many hashes for old accounts, new ones and none, once parameters have risen', async () => {
    await using stronger = await TestApp.start({ database: app.database, env: { ARGON2_TIME_COST: '2' } })
    const fresh = await TestUser.register(stronger)
    const counts: number[] = []
    for (const email of [user.email, fresh.email, 'nobody@example.com'])
      counts.push(await hashesOf(() => login(email, 'wrong', { on: stronger })))
    expect(counts).toEqual([2, 2, 2])
  })

  it('is looked at no more often than the limit allows, however many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 130 }, () => login(user.email, 'wrong')))
    const statuses = answers.map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 401)).toHaveLength(LOCK_AFTER)
    expect(statuses.filter((status) => status === 429)).toHaveLength(130 - LOCK_AFTER)
  })

  it('counts where a new one is set, too, and is told', async () => {
    const change = (currentPassword: string) =>
      user.request({
        method: 'POST',
        url: '/v1/auth/password',
        payload: { currentPassword, newPassword: 'Another-Horse-43' },
      })
    for (let count = 0; count < LOCK_AFTER; count++) {
      expectProblem(await change('wrong'), { status: 400, code: 'validation_failed', pointers: ['/currentPassword'] })
    }
    expectProblem(await change(PASSWORD), { status: 429, code: 'rate_limited' })
    expect((await login(user.email)).statusCode).toBe(429)
    const rows = await rowsOf(user.tenantId, 'authn_login_fail', LOCK_AFTER)
    expect(rows.map(({ after }) => after)).toEqual(
      Array.from({ length: LOCK_AFTER }, () => ({ reason: 'password_change' })),
    )
  })

  it('is told in each tenant of its account, without the address in the queue', async () => {
    const host = await TestUser.register(app)
    await join(host.tenantId)
    await login(user.email, 'wrong')
    for (const { tenantId } of [user, host]) {
      expect(await rowsOf(tenantId, 'authn_login_fail', 1)).toEqual([
        { actor_type: 'anonymous', actor_id: null, after: null },
      ])
    }
    const jobs = await app.sql(`SELECT data, retry_limit FROM pgboss.job WHERE name = 'auth.failed-logins'`)
    expect(jobs.length).toBeGreaterThan(0)
    expect(JSON.stringify(jobs)).not.toContain(user.email)
  })
})

describe('the one attempt after a wait', () => {
  it('is given back when no password was looked at', async () => {
    await using busy = await TestApp.start({
      database: app.database,
      env: {
        LOGIN_LOCKOUT_AFTER_FAILURES: String(LOCK_AFTER),
        ARGON2_CONCURRENCY: '1',
        ARGON2_QUEUE_LIMIT: '0',
        ARGON2_MEMORY_KIB: '262144',
        ARGON2_TIME_COST: '5',
      },
    })
    await lockAndLetWaitPass(user.email)
    const occupying = login('somebody-else@example.com', 'wrong', { on: busy })
    await sleep(100)
    expectProblem(await login(user.email, PASSWORD, { on: busy }), { status: 503, code: 'unavailable' })
    expect((await login(user.email)).statusCode).toBe(200)
    await occupying
  })

  it('ends the count when the password is right, whatever else is refused, and the refusal is told', async () => {
    const host = await TestUser.register(app)
    const before = await failures()
    await lockAndLetWaitPass(user.email)
    expect((await login(user.email, PASSWORD, { tenantId: host.tenantId })).statusCode).toBe(401)
    expect(await failures()).toBe(before)
    const rows = await rowsOf(user.tenantId, 'authn_login_fail', LOCK_AFTER + 1)
    expect(rows.map(({ after }) => after)).toContainEqual({ reason: 'not_a_member' })
    await app.sql('UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [user.userId])
    expect((await login(user.email)).statusCode).toBe(403)
    const more = await rowsOf(user.tenantId, 'authn_login_fail', LOCK_AFTER + 2)
    expect(more.map(({ after }) => after)).toContainEqual({ reason: 'suspended' })
  })

  it('tells of who has yet to prove his address', async () => {
    const verifying = {
      EMAIL_VERIFICATION: 'true',
      SMTP_URL: 'smtp://127.0.0.1:9',
      PUBLIC_URL: 'https://a.example.com',
    }
    await using strict = await TestApp.start({ database: app.database, env: verifying })
    await app.sql('UPDATE users SET email_verified_at = NULL WHERE id = $1', [user.userId])
    expectProblem(await login(user.email, PASSWORD, { on: strict }), { status: 403, code: 'email_unverified' })
    const [row] = await rowsOf(user.tenantId, 'authn_login_fail', 1)
    expect(row?.['after']).toEqual({ reason: 'email_unverified' })
  })
})

describe('raising a hash', () => {
  it('that fails does not fail the sign-in', async () => {
    await using stronger = await TestApp.start({ database: app.database, env: { ARGON2_TIME_COST: '2' } })
    await app.sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`)
    await app.sql('CREATE TRIGGER refuse BEFORE UPDATE ON credentials FOR EACH ROW EXECUTE FUNCTION refuse()')
    expect((await login(user.email, PASSWORD, { on: stronger })).statusCode).toBe(200)
    await app.sql('DROP TRIGGER refuse ON credentials')
  })
})

describe('every team of a user', () => {
  it.each<[string, string, (url: string) => Promise<unknown>]>([
    [
      'a new password',
      'authn_password_change',
      (url) =>
        user.request({
          method: 'POST',
          url: `${url}/password`,
          payload: { currentPassword: PASSWORD, newPassword: 'Another-Horse-43' },
        }),
    ],
    [
      'a new name',
      'user_updated',
      (url) => user.request({ method: 'PATCH', url: `${url}/me`, payload: { name: 'Ada' } }),
    ],
  ])('hears of %s', async (_what, action, act) => {
    const host = await TestUser.register(app)
    await join(host.tenantId)
    await act('/v1/auth')
    for (const { tenantId } of [user, host]) {
      expect(await rowsOf(tenantId, action, 1)).toMatchObject([{ actor_type: 'user', actor_id: user.userId }])
    }
  })

  it('hears of its own sessions that end, and of no others', async () => {
    const host = await TestUser.register(app)
    await join(host.tenantId)
    const sessions = async () =>
      (await app.sql('SELECT id, tenant_id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [
        user.userId,
      ])) as {
        id: string
        tenant_id: string
      }[]
    await login(user.email, PASSWORD, { tenantId: host.tenantId })
    const elsewhere = (await sessions()).find(({ tenant_id: id }) => id === host.tenantId)?.id
    await user.request({ method: 'DELETE', url: `/v1/auth/sessions/${elsewhere}` })
    const afterOne = await rowsOf(host.tenantId, 'authn_token_revoked', 1)
    expect(afterOne.map(({ after }) => after)).toEqual([{ sessionIds: [elsewhere] }])
    await login(user.email, PASSWORD, { tenantId: host.tenantId })
    const open = await sessions()
    await user.request({ method: 'POST', url: '/v1/auth/logout-all' })
    const idsOf = (tenantId: string) => open.filter(({ tenant_id: id }) => id === tenantId).map(({ id }) => id)
    const own = await rowsOf(user.tenantId, 'authn_token_revoked', 1)
    expect(own.map(({ after }) => after)).toEqual([{ sessionIds: idsOf(user.tenantId) }])
    const theirs = await rowsOf(host.tenantId, 'authn_token_revoked', 2)
    expect(theirs[1]?.['after']).toEqual({ sessionIds: idsOf(host.tenantId) })
  })
})
