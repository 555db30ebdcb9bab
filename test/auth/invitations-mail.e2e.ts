import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newInvitationSchema } from '../../src/modules/auth/invitations/invitations.schemas.js'
import { Mailbox } from '../support/mailbox.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

let app: TestApp
let mailbox: Mailbox
let owner: TestUser

beforeAll(async () => {
  mailbox = await Mailbox.start()
  app = await TestApp.start({ env: { SMTP_URL: mailbox.url, PUBLIC_URL: 'https://nest.example.com' } })
  owner = await TestUser.register(app)
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await mailbox[Symbol.asyncDispose]()
})

const anyEmail = () => `invited-${randomBytes(6).toString('hex')}@example.com`
const invite = (payload: object) => owner.request({ method: 'POST', url: '/v1/invitations', payload })
const accept = (payload: object) => app.inject({ method: 'POST', url: '/v1/invitations/accept', payload })

describe('an invitation by mail', () => {
  it('has its link in the mail, and nowhere in the answer or the database', async () => {
    const email = anyEmail()
    const response = await invite({ email, role: 'viewer' })
    expect(response.statusCode).toBe(201)
    const { acceptUrl, token } = newInvitationSchema.parse(response.json())
    expect([acceptUrl, token]).toEqual([undefined, undefined])
    const mail = await mailbox.receive(email)
    expect(mail.text).toContain(`https://nest.example.com/accept-invitation#token=${mail.token}`)
    const stored = await app.sql(`SELECT 1 FROM pgboss.job WHERE data::text LIKE '%' || $1 || '%'`, [mail.token])
    expect(stored).toEqual([])
    const accepted = await accept({ token: mail.token, password: PASSWORD })
    expect(accepted.json()).toMatchObject({ user: { email }, tenant: { id: owner.tenantId }, role: 'viewer' })
  })

  it('goes to an address three times an hour, from all teams together, taken back or not', async () => {
    const [email, other] = [anyEmail(), await TestUser.register(app)]
    for (const user of [owner, other, owner]) {
      const response = await user.request({ method: 'POST', url: '/v1/invitations', payload: { email } })
      expect(response.statusCode).toBe(201)
      await user.request({ method: 'DELETE', url: `/v1/invitations/${response.json().id}` })
    }
    const refused = await invite({ email: email.toUpperCase() })
    expectProblem(refused, { status: 429, code: 'rate_limited' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    await mailbox.receive(email, 3)
    const another = anyEmail()
    expect((await invite({ email: another })).statusCode).toBe(201)
    await mailbox.receive(another)
    expect(mailbox.to(email)).toHaveLength(3)
  })

  it('is not mailed when it is refused', async () => {
    const mails = mailbox.mails.length
    expectProblem(await invite({ email: owner.email }), { status: 409, code: 'already_member' })
    const email = anyEmail()
    await invite({ email })
    await mailbox.receive(email)
    expect(mailbox.mails).toHaveLength(mails + 1)
  })

  it('proves the address, of a new account and of one that had not proved it', async () => {
    const [known, unknown] = [(await TestUser.register(app)).email, anyEmail()]
    for (const email of [known, unknown]) {
      await invite({ email })
      await accept({ token: (await mailbox.receive(email)).token, password: PASSWORD })
      const [user] = await app.sql('SELECT email_verified_at FROM users WHERE email = $1', [email])
      expect(user?.['email_verified_at']).toBeInstanceOf(Date)
    }
  })
})

describe('an invitation that an admin hands over', () => {
  it('proves nothing of the address', async () => {
    await using silent = await TestApp.start()
    const member = await TestUser.join(silent, await TestUser.register(silent), 'member')
    const [user] = await silent.sql('SELECT email_verified_at FROM users WHERE email = $1', [member.email])
    expect(user).toEqual({ email_verified_at: null })
  })
})
