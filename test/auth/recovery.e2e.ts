import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { EventBus } from '#platform/events/event-bus.js'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { comparable } from '../support/comparable.js'
import { Mailbox } from '../support/mailbox.js'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { joinTenant, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const NEW_PASSWORD = 'Another-Horse-43'
const PUBLIC_URL = 'https://tempo.example.com/app/'
const MAX_MAILS = 3

let mailbox: Mailbox
let app: TestApp
let user: TestUser
const events: { action: string; tenantId: string; resourceId: string; scope: unknown }[] = []

beforeAll(async () => {
  mailbox = await Mailbox.start({ auth: { user: 'temponest', pass: 'secret' } })
  const env = { SMTP_URL: mailbox.url, PUBLIC_URL, REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' }
  app = await TestApp.start({ env: { ...env, LOGIN_LOCKOUT_AFTER_FAILURES: '3' } })
  app.nest.get(EventBus).subscribe(AuditedEvent, async ({ tenantId, audit }, tx) => {
    const [row] = await tx.query({ text: `SELECT current_setting('app.current_tenant') AS scope` })
    events.push({ action: audit.action, tenantId, resourceId: audit.resource.id, scope: row?.['scope'] })
  })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await mailbox[Symbol.asyncDispose]()
})

const post = (path: string, payload: object, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url: `/v1/auth/${path}`, payload, headers })
const forgot = (email: string) => post('password/forgot', { email })
const reset = (token: string, password = NEW_PASSWORD) => post('password/reset', { token, password })
const login = (email: string, password: string) => post('login', { email, password })
const me = (token: string, server = app) =>
  server.inject({ url: '/v1/auth/me', headers: { authorization: `Bearer ${token}` } })
const settled = () =>
  mailbox.until(async () => {
    const rows = await app.sql(`SELECT 1 FROM pgboss.job WHERE name LIKE 'auth.%' AND state <= 'active'`)
    return rows.length === 0
  }, 'no job waits')

async function askForToken(email: string): Promise<string> {
  const links = () => mailbox.to(email).filter(({ token }) => token !== '')
  const before = links().length
  await forgot(email)
  await mailbox.until(() => links().length > before, 'a link')
  return links().at(-1)?.token ?? ''
}

function expectTokenRefused(response: Awaited<ReturnType<typeof reset>>) {
  const { requestId: _, ...problem } = expectProblem(response, {
    status: 400,
    code: 'validation_failed',
    pointers: ['/token'],
  })
  return problem
}

describe('a forgotten password', () => {
  it('is replaced by who reads the mail: the link is ours, whatever host the request names', async () => {
    const response = await post('password/forgot', { email: user.email.toUpperCase() }, { host: 'evil.example' })
    expect([response.statusCode, response.json()]).toEqual([202, { status: 'accepted' }])
    const mail = await mailbox.receive(user.email)
    expect(mail.to).toEqual([user.email])
    expect(mail.subject).toBe('Set a new password')
    expect(mail.text).toContain('https://tempo.example.com/app/reset-password#token=tnp_')
    expect(mail.text).not.toContain('evil.example')
    const answer = await reset(mail.token)
    expect([answer.statusCode, answer.body]).toEqual([204, ''])
    expect((await login(user.email, NEW_PASSWORD)).statusCode).toBe(200)
    expect((await login(user.email, PASSWORD)).statusCode).toBe(401)
    expect((await mailbox.receive(user.email, 2)).subject).toBe('Your password was changed')
  })

  it('is answered alike for an address that nobody has, by the same statements', async () => {
    const answers: object[] = []
    const ask = async (email: string) => {
      answers.push(comparable(await forgot(email)))
    }
    const known = await statementsOf(() => ask(user.email))
    const unknown = await statementsOf(() => ask('nobody@example.com'))
    expect(unknown).toEqual(known)
    expect(known.filter((statement) => /insert/i.test(statement))).toHaveLength(1)
    expect(answers[1]).toEqual(answers[0])
    await mailbox.receive(user.email)
    await settled()
    expect(mailbox.to('nobody@example.com')).toEqual([])
  })

  it('leaves no token where the database could be read: only its hash', async () => {
    const token = await askForToken(user.email)
    const rows = await app.sql(`SELECT row_to_json(t)::text AS row FROM one_time_tokens t
      UNION ALL SELECT row_to_json(j)::text FROM pgboss.job j`)
    expect(rows.length).toBeGreaterThan(1)
    expect(JSON.stringify(rows)).not.toContain(token)
    expect(JSON.stringify(rows)).not.toContain(token.slice('tnp_'.length))
  })

  it('can be asked for a few times an hour, after which nothing is sent and the last link still works', async () => {
    const tokens: string[] = []
    for (let count = 0; count < MAX_MAILS; count++) tokens.push(await askForToken(user.email))
    expect((await forgot(user.email)).statusCode).toBe(202)
    await settled()
    expect(mailbox.to(user.email)).toHaveLength(MAX_MAILS)
    for (const replaced of tokens.slice(0, -1)) expectTokenRefused(await reset(replaced))
    expect((await reset(tokens.at(-1) ?? '')).statusCode).toBe(204)
  })

  it('asked for many times at once sends no more than that', async () => {
    await Promise.all(Array.from({ length: 10 }, () => forgot(user.email)))
    await settled()
    expect(mailbox.to(user.email)).toHaveLength(MAX_MAILS)
    const open = await app.sql('SELECT 1 FROM one_time_tokens WHERE user_id = $1 AND used_at IS NULL', [user.userId])
    expect(open).toHaveLength(1)
  })

  it('is mailed once the mail server is back, with a link that works', async () => {
    await mailbox.stop()
    await forgot(user.email)
    await mailbox.until(async () => {
      const rows = await app.sql(`SELECT 1 FROM pgboss.job WHERE name = 'auth.recovery-mails' AND state = 'retry'`)
      return rows.length > 0
    }, 'a failed attempt')
    expect(await app.sql('SELECT 1 FROM one_time_tokens WHERE user_id = $1', [user.userId])).toEqual([])
    await mailbox.resume()
    const { token } = await mailbox.receive(user.email)
    expect((await reset(token)).statusCode).toBe(204)
  })

  it.each(['', 'no address', 'a@example.com, b@example.com', 'a@example.com\r\nBcc: b@example.com'])(
    'of %j is no request',
    async (email) => {
      expectProblem(await forgot(email), { status: 400, code: 'validation_failed', pointers: ['/email'] })
    },
  )

  it('is answered alike where no mail can be sent', async () => {
    await using silent = await TestApp.start()
    const known = await TestUser.register(silent)
    for (const email of [known.email, 'nobody@example.com']) {
      const response = await silent.inject({ method: 'POST', url: '/v1/auth/password/forgot', payload: { email } })
      expect([response.statusCode, response.json()]).toEqual([202, { status: 'accepted' }])
    }
    expect(await silent.sql('SELECT 1 FROM one_time_tokens')).toEqual([])
  })
})

describe('a reset link', () => {
  it('is worth nothing after the password was changed', async () => {
    const token = await askForToken(user.email)
    const payload = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }
    const changed = await user.request({ method: 'POST', url: '/v1/auth/password', payload })
    expect(changed.statusCode).toBe(204)
    expectTokenRefused(await reset(token, 'Third-Horse-4444'))
    expect((await login(user.email, NEW_PASSWORD)).statusCode).toBe(200)
  })

  it('ends the API keys of its user at once, in all of his teams, and says so; a change leaves them', async () => {
    const other = await TestUser.register(app)
    const away = await joinTenant(app, other.tenantId, 'member')
    const [row] = await app.sql('SELECT email FROM users WHERE id = $1', [away.userId])
    const email = String(row?.['email'])
    const [home] = await app.sql("SELECT tenant_id FROM memberships WHERE user_id = $1 AND role = 'owner'", [
      away.userId,
    ])
    const payload = { email, password: PASSWORD, tenantId: home?.['tenant_id'] }
    const atHome = TestUser.signedIn(app, await post('login', payload))
    const keys = [await TestApiKey.create(app, away), await TestApiKey.create(app, atHome)]
    const kept = await TestApiKey.create(app, other)
    const statuses = async () => {
      const answers = await Promise.all([...keys, kept].map((key) => key.request({ url: '/v1/agents' })))
      return answers.map(({ statusCode }) => statusCode)
    }
    const change = { currentPassword: PASSWORD, newPassword: 'Changed-Horse-44' }
    await atHome.request({ method: 'POST', url: '/v1/auth/password', payload: change })
    expect(await statuses()).toEqual([200, 200, 200])
    events.length = 0
    expect((await reset(await askForToken(email))).statusCode).toBe(204)
    expect(await statuses()).toEqual([401, 401, 200])
    const deleted = events.filter(({ action }) => action === 'authn_token_delete')
    expect(deleted.map(({ tenantId }) => tenantId).sort()).toEqual([other.tenantId, atHome.tenantId].sort())
    await mailbox.until(() => mailbox.to(email).some(({ text }) => text.includes('API keys deleted')), 'the notice')
  })

  it('takes no password that is made of the name of a team of its user', async () => {
    await app.sql("UPDATE tenants SET name = 'Xylophonists United' WHERE id = $1", [user.tenantId])
    const token = await askForToken(user.email)
    const response = await reset(token, 'Xylophonists-1')
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    expect((await reset(token)).statusCode).toBe(204)
  })

  it('works once, and is refused in the same words when it is used, expired, wrong or of another kind', async () => {
    const used = await askForToken(user.email)
    expect((await reset(used)).statusCode).toBe(204)
    const expired = await askForToken(user.email)
    await app.sql(`UPDATE one_time_tokens SET expires_at = now() - interval '1 second'`)
    const problems = []
    for (const token of [used, expired, `tnp_${'A'.repeat(43)}`, 'garbage', used.replace('tnp_', 'tnv_')])
      problems.push(expectTokenRefused(await reset(token, 'Third-Horse-4444')))
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(1)
    expect((await login(user.email, NEW_PASSWORD)).statusCode).toBe(200)
  })

  it('survives a password that is refused', async () => {
    const token = await askForToken(user.email)
    for (const password of ['short', 'password1234A', `${user.email}A1`]) {
      const response = await reset(token, password)
      expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    }
    expect((await reset(token)).statusCode).toBe(204)
  })

  it('gives two who use it at once one password', async () => {
    for (let round = 0; round < 5; round++) {
      const somebody = await TestUser.register(app)
      const token = await askForToken(somebody.email)
      const passwords = [`First-Horse-${round}1111`, `Second-Horse-${round}2222`]
      const answers = await Promise.all(passwords.map((password) => reset(token, password)))
      expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([204, 400])
      for (const [index, { statusCode }] of answers.entries()) {
        const signIn = await login(somebody.email, passwords[index] ?? '')
        expect(signIn.statusCode).toBe(statusCode === 204 ? 200 : 401)
      }
    }
  })

  it('ends every session at once, on another replica with a warm cache, too', async () => {
    await using other = await TestApp.start({
      database: app.database,
      env: { REDIS_URL: process.env['TEST_REDIS_URL'] ?? '' },
    })
    for (let round = 0; round < 10; round++) {
      const somebody = await TestUser.register(app)
      const second = (await login(somebody.email, PASSWORD)).json().accessToken
      const token = await askForToken(somebody.email)
      for (const accessToken of [somebody.accessToken, second])
        expect((await me(accessToken, other)).statusCode).toBe(200)
      expect((await reset(token)).statusCode).toBe(204)
      for (const accessToken of [somebody.accessToken, second])
        expect((await me(accessToken, other)).statusCode).toBe(401)
      expect((await post('refresh', { refreshToken: somebody.refreshToken })).statusCode).toBe(401)
    }
  })

  it('ends sessions in all of the tenants, and each of them hears of it in the same commit', async () => {
    const host = await TestUser.register(app)
    await app.sql(`INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'viewer', now())`, [
      host.tenantId,
      user.userId,
    ])
    const hosted = await post('login', { email: user.email, password: PASSWORD, tenantId: host.tenantId })
    const token = await askForToken(user.email)
    events.length = 0
    expect((await reset(token)).statusCode).toBe(204)
    expect((await me(hosted.json().accessToken)).statusCode).toBe(401)
    const told = events.filter(({ action }) => action === 'authn_password_change')
    expect(new Set(told.map(({ tenantId }) => tenantId))).toEqual(new Set([user.tenantId, host.tenantId]))
    expect(told.map(({ resourceId }) => resourceId)).toEqual([user.userId, user.userId])
    expect(told.map(({ scope }) => scope)).toEqual(told.map(({ tenantId }) => tenantId))
  })

  it('changes nothing when one of the tenants cannot be told', async () => {
    const token = await askForToken(user.email)
    let isBroken = true
    app.nest.get(EventBus).subscribe(AuditedEvent, async ({ tenantId, audit }) => {
      if (isBroken && tenantId === user.tenantId && audit.action === 'authn_password_change') throw new Error('full')
    })
    expect((await reset(token)).statusCode).toBe(500)
    isBroken = false
    expect((await me(user.accessToken)).statusCode).toBe(200)
    expect((await login(user.email, PASSWORD)).statusCode).toBe(200)
    expect((await reset(token)).statusCode).toBe(204)
  })

  it('gets its user past a lock-out', async () => {
    for (let attempt = 0; attempt < 3; attempt++) await login(user.email, 'Wrong-Horse-42!')
    expectProblem429(await login(user.email, PASSWORD))
    const token = await askForToken(user.email)
    expect((await reset(token)).statusCode).toBe(204)
    expect((await login(user.email, NEW_PASSWORD)).statusCode).toBe(200)
  })

  it('proves the address that it was sent to', async () => {
    const verifiedAt = async () =>
      (await app.sql('SELECT email_verified_at FROM users WHERE id = $1', [user.userId]))[0]?.['email_verified_at']
    expect(await verifiedAt()).toBeNull()
    await reset(await askForToken(user.email))
    expect(await verifiedAt()).toBeInstanceOf(Date)
  })
})

describe('a password that its owner changes', () => {
  it('is told him by mail', async () => {
    const response = await user.request({
      method: 'POST',
      url: '/v1/auth/password',
      payload: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
    })
    expect(response.statusCode).toBe(204)
    expect((await mailbox.receive(user.email)).subject).toBe('Your password was changed')
  })
})

function expectProblem429(response: Awaited<ReturnType<typeof login>>): void {
  expect([response.statusCode, response.json().code]).toEqual([429, 'rate_limited'])
}
