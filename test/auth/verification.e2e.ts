import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { AuthSweep } from '../../src/modules/auth/sessions/auth-sweep.job.js'
import { comparable } from '../support/comparable.js'
import { Mailbox } from '../support/mailbox.js'
import { expectProblem } from '../support/problem.js'
import { statementsOf } from '../support/statements.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const MAX_MAILS = 3

let mailbox: Mailbox
let app: TestApp
let email: string
const events: { action: string; tenantId: string }[] = []

beforeAll(async () => {
  mailbox = await Mailbox.start()
  app = await TestApp.start({ env: { SMTP_URL: mailbox.url, EMAIL_VERIFICATION: 'true' } })
  app.nest.get(EventBus).subscribe(AuditedEvent, async ({ tenantId, audit }) => {
    events.push({ action: audit.action, tenantId })
  })
})
beforeEach(() => {
  email = `user-${randomBytes(6).toString('hex')}@example.com`
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await mailbox[Symbol.asyncDispose]()
})

const post = (path: string, payload: object) => app.inject({ method: 'POST', url: `/v1/auth/${path}`, payload })
const register = (address = email, password = PASSWORD) =>
  post('register', { email: address, password, name: 'Ann', tenantName: 'Team' })
const login = (password = PASSWORD, address = email) => post('login', { email: address, password })
const verify = (token: string) => post('email/verify', { token })
const resend = (address = email) => post('email/verification', { email: address })
const settled = () =>
  mailbox.until(async () => {
    const rows = await app.sql(`SELECT 1 FROM pgboss.job WHERE name LIKE 'auth.%' AND state <= 'active'`)
    return rows.length === 0
  }, 'no job waits')

/** An account as there is one without proofs. */
async function existing(address = `known-${email}`, { isProved = true } = {}): Promise<string> {
  await using plain = await TestApp.start({ database: app.database })
  await TestUser.register(plain, { email: address })
  if (isProved) await app.sql('UPDATE users SET email_verified_at = now() WHERE email = $1', [address])
  return address
}

function expectTokenRefused(response: Awaited<ReturnType<typeof verify>>) {
  const { requestId: _, ...problem } = expectProblem(response, {
    status: 400,
    code: 'validation_failed',
    pointers: ['/token'],
  })
  return problem
}

describe('registering where addresses must be proved', () => {
  it('gives nothing away but a mail, whose link lets one in', async () => {
    const response = await register()
    expect([response.statusCode, response.json()]).toEqual([202, { status: 'verification_sent' }])
    const mail = await mailbox.receive(email)
    expect(mail.subject).toBe('Confirm your e-mail address')
    expect(mail.text).toMatch(/\/verify-email#token=tnv_/)
    expect(await app.sql('SELECT 1 FROM users WHERE email = $1', [email])).toEqual([])
    events.length = 0
    expect((await verify(mail.token)).statusCode).toBe(204)
    const signedIn = await login()
    expect(signedIn.json()).toMatchObject({ user: { email, name: 'Ann' }, tenant: { name: 'Team' }, role: 'owner' })
    expect(events).toContainEqual({ action: 'user_created', tenantId: signedIn.json().tenant.id })
  })

  it('tells nobody who signs in with what he registered that it was taken: it is answered like a wrong password', async () => {
    const known = await existing()
    const answers: object[] = []
    for (const address of [known, email]) {
      await register(address, 'Somebody-Else-42')
      await settled()
      const statements = await statementsOf(async () => {
        const response = await login('Somebody-Else-42', address)
        const { requestId: _, ...problem } = expectProblem(response, { status: 401, code: 'unauthenticated' })
        answers.push({ ...comparable(response), body: problem })
      })
      answers.push(statements)
    }
    expect(answers.slice(2)).toEqual(answers.slice(0, 2))
  })

  it('gives each link the password that was registered with it, and the first that is opened ends the others', async () => {
    await register(email, 'Mallorys-Pick-42')
    const planted = await mailbox.receive(email)
    await register()
    const own = await mailbox.receive(email, 2)
    expect((await verify(own.token)).statusCode).toBe(204)
    expectTokenRefused(await verify(planted.token))
    expect((await login()).statusCode).toBe(200)
    expect((await login('Mallorys-Pick-42')).statusCode).toBe(401)
  })

  it('replaces no account that was made in the meantime', async () => {
    await register(email, 'Mallorys-Pick-42')
    const { token } = await mailbox.receive(email)
    await existing(email)
    expectTokenRefused(await verify(token))
    expect((await login('Mallorys-Pick-42')).statusCode).toBe(401)
    expect((await login()).statusCode).toBe(200)
  })

  it('keeps what waits sealed, and sweeps it once its link has expired', async () => {
    await register()
    await mailbox.receive(email)
    const rows = await app.sql("SELECT encode(sealed, 'escape') AS sealed FROM pending_registrations")
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toMatch(/argon2|@example\.com/)
    await app.sql("UPDATE pending_registrations SET expires_at = now() - interval '1 second'")
    await app.nest.get(AuthSweep).sweep()
    expect(await app.sql('SELECT 1 FROM pending_registrations')).toEqual([])
  })

  it('is answered alike for a known address, by the same statements; who has it hears of it, once an hour', async () => {
    const answers: object[] = []
    const ask = async () => {
      answers.push(comparable(await register()))
    }
    const unknown = await statementsOf(ask)
    await verify((await mailbox.receive(email)).token)
    await settled()
    const known = await statementsOf(ask)
    expect(known).toEqual(unknown)
    expect(unknown.filter((statement) => /insert/i.test(statement))).toHaveLength(1)
    expect(answers[1]).toEqual(answers[0])
    const note = await mailbox.receive(email, 2)
    expect([note.subject, note.token]).toEqual(['You have an account already', ''])
    await register(email, 'Somebody-Else-42')
    await settled()
    expect(mailbox.to(email)).toHaveLength(2)
    expect((await login('Somebody-Else-42')).statusCode).toBe(401)
    expect(await app.sql('SELECT 1 FROM users WHERE email = $1', [email])).toHaveLength(1)
  })

  it('refuses a weak password for known and unknown addresses alike', async () => {
    await register()
    await mailbox.receive(email)
    for (const address of [email, `other-${email}`]) {
      const response = await register(address, 'weak')
      expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    }
  })

  it('twenty times at once sends a few mails, and makes no account', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => register()))
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1)
    await settled()
    expect(await app.sql('SELECT 1 FROM users WHERE email = $1', [email])).toEqual([])
    const subjects = mailbox.to(email).map(({ subject }) => subject)
    expect(subjects).toEqual(Array.from({ length: MAX_MAILS }, () => 'Confirm your e-mail address'))
  })

  it('leaves neither the address nor the hash of the password in the job that waits', async () => {
    await register()
    const rows = await app.sql(`SELECT data::text AS data FROM pgboss.job WHERE name = 'auth.registrations'`)
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toMatch(/argon2|@example\.com/)
  })
})

describe('signing in to an account from before addresses were proved', () => {
  beforeEach(() => existing(email, { isProved: false }))

  it('is told only to who knows the password, and sends the link again, but not each time', async () => {
    expectProblem(await login('Wrong-Horse-42!'), { status: 401, code: 'unauthenticated' })
    await settled()
    expect(mailbox.to(email)).toEqual([])
    for (let attempt = 0; attempt < 3; attempt++)
      expectProblem(await login(), { status: 403, code: 'email_unverified' })
    const again = await mailbox.receive(email)
    await settled()
    // A slot of five minutes may end between two sign-ins, and never between three.
    expect(mailbox.to(email).length).toBeLessThanOrEqual(2)
    expect((await verify(again.token)).statusCode).toBe(204)
    expect((await login()).statusCode).toBe(200)
  })

  it('is possible after a reset, which proves the address, too', async () => {
    await post('password/forgot', { email })
    const { token } = await mailbox.receive(email)
    expect((await post('password/reset', { token, password: 'Another-Horse-43' })).statusCode).toBe(204)
    expect((await login('Another-Horse-43')).statusCode).toBe(200)
  })
})

describe('the link that proves an address', () => {
  it('leaves an open reset link as it is', async () => {
    await existing(email, { isProved: false })
    await post('password/forgot', { email })
    const { token } = await mailbox.receive(email)
    await resend()
    expect((await verify((await mailbox.receive(email, 2)).token)).statusCode).toBe(204)
    expect((await post('password/reset', { token, password: 'Another-Horse-43' })).statusCode).toBe(204)
  })

  it('is not sent again where two registrations wait: nobody can tell whose', async () => {
    await register(email, 'Mallorys-Pick-42')
    await register()
    await mailbox.receive(email, 2)
    await resend()
    await settled()
    expect(mailbox.to(email)).toHaveLength(2)
  })

  it('works once, the older of two as well; then both are over, and all that fail get the same words', async () => {
    await register()
    const { token } = await mailbox.receive(email)
    expect([(await resend()).statusCode, (await resend('nobody@example.com')).statusCode]).toEqual([202, 202])
    const { token: newer } = await mailbox.receive(email, 2)
    expect(newer).not.toBe(token)
    expect((await verify(token)).statusCode).toBe(204)
    const problems = []
    for (const text of [token, newer, 'garbage', token.replace('tnv_', 'tnp_'), `tnv_${'A'.repeat(43)}`])
      problems.push(expectTokenRefused(await verify(text)))
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(1)
  })

  it('is spent by one of two who use it at once', async () => {
    await register()
    const { token } = await mailbox.receive(email)
    const answers = await Promise.all([verify(token), verify(token)])
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([204, 400])
  })

  it('does not reset a password', async () => {
    await register()
    const { token } = await mailbox.receive(email)
    expectTokenRefused(await post('password/reset', { token, password: 'Another-Horse-43' }))
    expect((await verify(token)).statusCode).toBe(204)
  })

  it('is sent again on demand, a few times an hour, and never once the address is proved', async () => {
    await register()
    await mailbox.receive(email)
    for (let count = 0; count < MAX_MAILS + 1; count++) expect((await resend()).json()).toEqual({ status: 'accepted' })
    await settled()
    expect(mailbox.to(email)).toHaveLength(MAX_MAILS)
    const { token } = await mailbox.receive(email, MAX_MAILS)
    expect((await verify(token)).statusCode).toBe(204)
    await app.sql('DELETE FROM one_time_tokens')
    await app.sql('DELETE FROM pending_registrations')
    await resend()
    await settled()
    expect(mailbox.to(email)).toHaveLength(MAX_MAILS)
  })
})

describe('the setting', () => {
  it('needs a mail server', async () => {
    await expect(TestApp.start({ env: { EMAIL_VERIFICATION: 'true' } })).rejects.toThrow('SMTP_URL: required')
  })

  it('does not open a registration that is closed', async () => {
    const env = { SMTP_URL: mailbox.url, EMAIL_VERIFICATION: 'true', REGISTRATION: 'invite' }
    await using closed = await TestApp.start({ env })
    const payload = { email, password: PASSWORD }
    const response = await closed.inject({ method: 'POST', url: '/v1/auth/register', payload })
    expectProblem(response, { status: 403, code: 'forbidden' })
  })
})
