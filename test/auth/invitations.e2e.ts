import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { InjectOptions } from 'fastify'
import { newId } from '#kernel/ids.js'
import { tokenPairSchema } from '../../src/modules/auth/auth.schemas.js'
import { permissionsOf } from '../../src/modules/auth/permissions.js'
import { mintInvitationToken } from '../../src/modules/auth/invitations/invitation-token.js'
import { invitationPageSchema, newInvitationSchema } from '../../src/modules/auth/invitations/invitations.schemas.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start({ env: { PUBLIC_URL: 'https://nest.example.com/' } })
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const anyEmail = () => `invited-${randomBytes(6).toString('hex')}@example.com`
const invite = (user: TestUser, payload: object) => user.request({ method: 'POST', url: '/v1/invitations', payload })
const list = (user: TestUser, query = '') => user.request({ method: 'GET', url: `/v1/invitations${query}` })
const revoke = (user: TestUser, id: string) => user.request({ method: 'DELETE', url: `/v1/invitations/${id}` })
const accept = (payload: object, headers: InjectOptions['headers'] = {}) =>
  app.inject({ method: 'POST', url: '/v1/invitations/accept', payload, headers })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** An invitation of the owner's, as he gets it. */
async function invited(email: string, role = 'member'): Promise<{ id: string; token: string }> {
  const { id, token = '' } = newInvitationSchema.parse((await invite(owner, { email, role })).json())
  return { id, token }
}

async function openEmails(user: TestUser = owner): Promise<string[]> {
  return invitationPageSchema.parse((await list(user)).json()).data.map(({ email }) => email)
}

async function roleOf(email: string): Promise<unknown> {
  const rows = await app.sql(
    `SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND u.email = $2`,
    [owner.tenantId, email],
  )
  return rows[0]?.['role']
}

describe('making an invitation', () => {
  it('shows its link once where no mail is sent, and to no cache', async () => {
    const email = anyEmail()
    const response = await invite(owner, { email: ` ${email.toUpperCase()} `, role: 'viewer' })
    expect(response.statusCode).toBe(201)
    expect(response.headers['cache-control']).toBe('no-store')
    const invitation = newInvitationSchema.parse(response.json())
    expect(invitation).toMatchObject({ email, role: 'viewer', invitedBy: owner.userId })
    expect(invitation.token).toMatch(/^tni_[\w-]{43}$/)
    expect(invitation.acceptUrl).toBe(`https://nest.example.com/accept-invitation#token=${invitation.token}`)
    const days = (Date.parse(invitation.expiresAt) - Date.parse(invitation.createdAt)) / 86_400_000
    expect(days).toBe(7)
  })

  it('stores the hash of the token alone', async () => {
    const { id, token } = await invited(anyEmail())
    const [row] = await app.sql('SELECT i.token_hash, i::text AS text FROM invitations i WHERE id = $1', [id])
    expect(row?.['token_hash']).toEqual(createHash('sha256').update(token).digest())
    expect(row?.['text']).not.toContain(token)
  })

  it('makes a member where no role is named', async () => {
    expect((await invite(owner, { email: anyEmail() })).json().role).toBe('member')
  })

  it('is for admins and owners', async () => {
    const admin = await TestUser.join(app, owner, 'admin')
    expect((await invite(admin, { email: anyEmail(), role: 'admin' })).statusCode).toBe(201)
    for (const role of ['member', 'viewer']) {
      const user = await TestUser.join(app, owner, role)
      expectProblem(await invite(user, { email: anyEmail(), role: 'viewer' }), { status: 403, code: 'forbidden' })
    }
    const anonymous = await app.inject({ method: 'POST', url: '/v1/invitations', payload: { email: anyEmail() } })
    expectProblem(anonymous, { status: 401, code: 'unauthenticated' })
  })

  it('makes owners for owners alone', async () => {
    const admin = await TestUser.join(app, owner, 'admin')
    expectProblem(await invite(admin, { email: anyEmail(), role: 'owner' }), { status: 403, code: 'forbidden' })
    expect((await invite(owner, { email: anyEmail(), role: 'owner' })).statusCode).toBe(201)
  })

  it('by an API key is for roles that may do no more than the key', async () => {
    const invitedBy = async (scopes: readonly string[], role: string) => {
      const headers = bearer(await plantApiKey(app, owner, scopes))
      const payload = { email: anyEmail(), role }
      return app.inject({ method: 'POST', url: '/v1/invitations', payload, headers })
    }
    const viewing = [...permissionsOf('viewer'), 'members:write']
    for (const role of ['owner', 'admin', 'member']) {
      expectProblem(await invitedBy(viewing, role), { status: 403, code: 'forbidden' })
    }
    expectProblem(await invitedBy(['members:write'], 'viewer'), { status: 403, code: 'forbidden' })
    expect((await invitedBy(viewing, 'viewer')).statusCode).toBe(201)
    expect((await invitedBy([...permissionsOf('owner')], 'owner')).statusCode).toBe(201)
  })

  it('refuses the address of a member, a suspended one included', async () => {
    const member = await TestUser.join(app, owner, 'member')
    expectProblem(await invite(owner, { email: owner.email }), { status: 409, code: 'already_member' })
    await owner.request({ method: 'PATCH', url: `/v1/members/${member.userId}`, payload: { disabled: true } })
    expectProblem(await invite(owner, { email: member.email }), { status: 409, code: 'already_member' })
  })

  it('is refused after five hundred in a day, those that were replaced included', async () => {
    const email = anyEmail()
    for (let count = 0; count < 500; count += 1) expect((await invite(owner, { email })).statusCode).toBe(201)
    const refused = await invite(owner, { email })
    expectProblem(refused, { status: 429, code: 'rate_limited' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3600)
    expect((await invite(await TestUser.register(app), { email })).statusCode).toBe(201)
  })

  it('says nothing of accounts elsewhere', async () => {
    const stranger = await TestUser.register(app)
    const known = (await invite(owner, { email: stranger.email })).json()
    const unknown = (await invite(owner, { email: anyEmail() })).json()
    expect(Object.keys(known)).toEqual(Object.keys(unknown))
  })

  it.each([
    {},
    { email: 'nobody' },
    { email: ['a@example.com'] },
    { email: 'a@example.com\r\nBcc: b@example.com' },
    { email: 'a@example.com', role: 'root' },
    { email: 'a@example.com', role: 1 },
    { email: 'a@example.com', tenantId: newId() },
    { email: 'a@example.com', userId: newId() },
    { email: 'a@example.com', invitedBy: newId() },
    { email: 'a@example.com', expiresAt: '2099-01-01T00:00:00.000Z' },
    { email: 'a@example.com', token: 'tni_chosen' },
  ])('refuses %j', async (payload) => {
    expectProblem(await invite(owner, payload), { status: 400, code: 'validation_failed' })
    expect(await openEmails()).toEqual([])
  })

  it('replaces an earlier one of the same address, whose link is dead', async () => {
    const email = anyEmail()
    const first = await invited(email, 'admin')
    const second = await invited(email, 'viewer')
    expect(await openEmails()).toEqual([email])
    expectProblem(await accept({ token: first.token, password: PASSWORD }), { status: 404, code: 'not_found' })
    expect((await accept({ token: second.token, password: PASSWORD })).json().role).toBe('viewer')
  })

  it('leaves one open when twenty are made at once for one address', async () => {
    const email = anyEmail()
    const answers = await Promise.all(Array.from({ length: 20 }, () => invite(owner, { email })))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array.from({ length: 20 }, () => 201))
    expect(await openEmails()).toEqual([email])
  })

  it('is made once for one idempotency key: the second answer is the first, link included', async () => {
    const headers = { 'idempotency-key': 'invite-once' }
    const payload = { email: anyEmail() }
    const make = () => owner.request({ method: 'POST', url: '/v1/invitations', payload, headers })
    const first = await make()
    const second = await make()
    expect([second.statusCode, second.headers['idempotent-replayed']]).toEqual([201, 'true'])
    expect(second.body).toBe(first.body)
    expect((await accept({ token: first.json().token, password: PASSWORD })).statusCode).toBe(200)
  })

  it('ends where too many are open, and goes on once some are expired or taken back', async () => {
    await app.sql(
      `INSERT INTO invitations (tenant_id, id, email, role, token_hash, invited_by, created_at, expires_at)
       SELECT $1::uuid, gen_random_uuid(), n || '@example.com', 'member', sha256(uuid_send(gen_random_uuid())), $2, now(),
              now() + interval '1 day'
         FROM generate_series(1, 200) n`,
      [owner.tenantId, owner.userId],
    )
    expectProblem(await invite(owner, { email: anyEmail() }), { status: 409, code: 'too_many_invitations' })
    expect((await invite(owner, { email: '1@example.com' })).statusCode).toBe(201)
    await app.sql(
      `UPDATE invitations SET expires_at = now() - interval '1 second' WHERE tenant_id = $1 AND email = '2@example.com'`,
      [owner.tenantId],
    )
    expect((await invite(owner, { email: anyEmail() })).statusCode).toBe(201)
    expectProblem(await invite(owner, { email: anyEmail() }), { status: 409, code: 'too_many_invitations' })
  })
})

describe('the list of invitations', () => {
  it('shows the open ones, newest first, without their tokens, and no other tenant’s', async () => {
    const stranger = await TestUser.register(app)
    await invite(stranger, { email: anyEmail() })
    const emails = [anyEmail(), anyEmail(), anyEmail(), anyEmail()]
    for (const email of emails) await invited(email)
    await app.sql(`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE email = $1`, [emails[0]])
    const { token } = await invited(emails[3] ?? '')
    await accept({ token, password: PASSWORD })
    const first = await list(owner, '?limit=1')
    const page = invitationPageSchema.parse(first.json())
    expect(page.data.map(({ email }) => email)).toEqual([emails[2]])
    expect(first.headers.link).toContain('rel="next"')
    const rest = invitationPageSchema.parse((await list(owner, `?cursor=${page.nextCursor}`)).json())
    expect([rest.data.map(({ email }) => email), rest.nextCursor]).toEqual([[emails[1]], null])
  })
})

describe('taking an invitation back', () => {
  it('kills its link', async () => {
    const { id, token } = await invited(anyEmail())
    expect((await revoke(owner, id)).statusCode).toBe(204)
    expect(await openEmails()).toEqual([])
    expectProblem(await accept({ token, password: PASSWORD }), { status: 404, code: 'not_found' })
  })

  it('says the same of one that is unknown, another tenant’s, accepted or already taken back', async () => {
    const stranger = await TestUser.register(app)
    const foreign = (await invite(stranger, { email: anyEmail() })).json()
    const accepted = await invited(anyEmail())
    await accept({ token: accepted.token, password: PASSWORD })
    const revoked = await invited(anyEmail())
    await revoke(owner, revoked.id)
    const ids = [newId(), 'none', foreign.id, accepted.id, revoked.id]
    const answers = await Promise.all(ids.map((id) => revoke(owner, id)))
    const details = answers.map((answer) => expectProblem(answer, { status: 404, code: 'not_found' }).detail)
    expect(new Set(details).size).toBe(1)
    expect((await accept({ token: foreign.token, password: PASSWORD })).statusCode).toBe(200)
  })

  it('is for admins and owners', async () => {
    const { id } = await invited(anyEmail())
    for (const role of ['member', 'viewer']) {
      expectProblem(await revoke(await TestUser.join(app, owner, role), id), { status: 403, code: 'forbidden' })
    }
    expect(await openEmails()).toHaveLength(1)
  })

  it.each<[string, object | null]>([
    ['removed', null],
    ['suspended', { disabled: true }],
    ['demoted', { role: 'member' }],
  ])('happens to those of an admin who is %s: he left no door open', async (_, change) => {
    const admin = await TestUser.join(app, owner, 'admin')
    const { token } = (await invite(admin, { email: anyEmail(), role: 'admin' })).json()
    const mine = anyEmail()
    await invited(mine)
    const url = `/v1/members/${admin.userId}`
    const changed = await owner.request(change ? { method: 'PATCH', url, payload: change } : { method: 'DELETE', url })
    expect(changed.statusCode).toBeLessThan(300)
    expect(await openEmails()).toEqual([mine])
    expectProblem(await accept({ token, password: PASSWORD }), { status: 404, code: 'not_found' })
  })

  it('happens, when an owner becomes an admin, to those alone that make owners', async () => {
    const second = await TestUser.join(app, owner, 'owner')
    const kept = anyEmail()
    await invite(second, { email: anyEmail(), role: 'owner' })
    await invite(second, { email: kept, role: 'admin' })
    const url = `/v1/members/${second.userId}`
    await owner.request({ method: 'PATCH', url, payload: { role: 'admin' } })
    expect(await openEmails()).toEqual([kept])
  })
})

describe('accepting without an account', () => {
  it.each(['owner', 'admin', 'member', 'viewer'])('makes one that is a %s, and signs it in', async (role) => {
    const email = anyEmail()
    const { token } = await invited(email, role)
    const response = await accept({ token, password: PASSWORD, name: 'New One' })
    expect(response.statusCode).toBe(200)
    const pair = tokenPairSchema.parse(response.json())
    expect(pair).toMatchObject({ user: { email, name: 'New One' }, tenant: { id: owner.tenantId }, role })
    const me = await app.inject({ method: 'GET', url: '/v1/auth/me', headers: bearer(pair.accessToken) })
    expect(me.json()).toMatchObject({ user: { email }, role, tenants: [{ id: owner.tenantId, role }] })
    const login = await app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password: PASSWORD } })
    expect(login.statusCode).toBe(200)
  })

  it('needs a password that the policy takes, and does not use the invitation up before', async () => {
    const { token } = await invited(anyEmail())
    const missing = await accept({ token })
    expectProblem(missing, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    const weak = await accept({ token, password: 'password1234' })
    expectProblem(weak, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    expect((await accept({ token, password: PASSWORD })).statusCode).toBe(200)
  })

  it.each(['role', 'tenantId', 'userId', 'email', 'invitedBy', 'emailVerifiedAt', 'permissions'])(
    'takes no %s from the body',
    async (key) => {
      const { token } = await invited(anyEmail(), 'viewer')
      const payload = { token, password: PASSWORD, [key]: key === 'role' ? 'owner' : newId() }
      expectProblem(await accept(payload), { status: 400, code: 'validation_failed' })
    },
  )

  it('works once, for one of twenty at once', async () => {
    const email = anyEmail()
    const { token } = await invited(email)
    const attempts = Array.from({ length: 20 }, () => accept({ token, password: PASSWORD }))
    const statuses = (await Promise.all(attempts)).map(({ statusCode }) => statusCode)
    expect(statuses.sort((a, b) => a - b)).toEqual([200, ...Array.from({ length: 19 }, () => 404)])
    const members = await owner.request({ method: 'GET', url: '/v1/members' })
    expect(members.json().data.map((member: { email: string }) => member.email)).toEqual([email, owner.email])
  })

  it.each(['invite', 'open', 'closed'])('is as open as the server’s registration: %s', async (registration) => {
    await using other = await TestApp.start({ env: { REGISTRATION: registration }, database: app.database })
    const email = anyEmail()
    const { token } = await invited(email)
    const payload = { token, password: PASSWORD }
    const response = await other.inject({ method: 'POST', url: '/v1/invitations/accept', payload })
    if (registration === 'closed') expectProblem(response, { status: 403, code: 'forbidden' })
    else expect(response.statusCode).toBe(200)
    expect(await roleOf(email)).toBe(registration === 'closed' ? undefined : 'member')
  })

  it('is not for somebody who is signed in as another', async () => {
    const email = anyEmail()
    const { token } = await invited(email, 'admin')
    const stranger = await TestUser.register(app)
    const response = await accept({ token, password: PASSWORD }, bearer(stranger.accessToken))
    expectProblem(response, { status: 403, code: 'forbidden' })
    expect([await roleOf(email), await roleOf(stranger.email)]).toEqual([undefined, undefined])
  })
})

describe('accepting with an account', () => {
  it('needs no password of who is signed in, adds the tenant, and signs in to it', async () => {
    const user = await TestUser.register(app)
    const { token } = await invited(user.email, 'admin')
    const response = await accept({ token }, bearer(user.accessToken))
    expect(response.statusCode).toBe(200)
    expect(tokenPairSchema.parse(response.json())).toMatchObject({
      user: { id: user.userId },
      tenant: { id: owner.tenantId },
      role: 'admin',
    })
    const me = await user.request({ method: 'GET', url: '/v1/auth/me' })
    expect(me.json()).toMatchObject({ tenant: { id: user.tenantId }, role: 'owner' })
  })

  it('takes the password of the account, on a server that is closed for registration, too', async () => {
    await using closed = await TestApp.start({ env: { REGISTRATION: 'closed' }, database: app.database })
    const user = await TestUser.register(app)
    const { token } = await invited(user.email, 'viewer')
    const payload = { token, password: PASSWORD, name: 'Another Name' }
    const response = await closed.inject({ method: 'POST', url: '/v1/invitations/accept', payload })
    expect(response.json()).toMatchObject({ user: { id: user.userId, name: null }, role: 'viewer' })
  })

  it('takes no password that is made of the name of the team', async () => {
    await app.sql("UPDATE tenants SET name = 'Xylophonists United' WHERE id = $1", [owner.tenantId])
    const { token } = await invited(anyEmail())
    const response = await accept({ token, password: 'Xylophonists-1' })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    expect((await accept({ token, password: PASSWORD })).statusCode).toBe(200)
  })

  it('has a limit of its own, by address', async () => {
    const env = { RATE_LIMIT_INVITATION_ACCEPT_PER_HOUR: '2' }
    await using strict = await TestApp.start({ env, database: app.database })
    const payload = { token: mintInvitationToken().text }
    const attempt = () => strict.inject({ method: 'POST', url: '/v1/invitations/accept', payload })
    expect([(await attempt()).statusCode, (await attempt()).statusCode]).toEqual([404, 404])
    const refused = await attempt()
    expectProblem(refused, { status: 429, code: 'rate_limited' })
    expect(refused.headers['ratelimit-policy']).toContain('"invitation-accept";q=2')
    const forgot = { method: 'POST', url: '/v1/auth/password/forgot', payload: { email: anyEmail() } } as const
    expect((await strict.inject(forgot)).statusCode).toBe(202)
  })

  it('refuses a wrong password, and none, and leaves the invitation as it is', async () => {
    const user = await TestUser.register(app)
    const { token } = await invited(user.email)
    expectProblem(await accept({ token, password: `${PASSWORD}x` }), { status: 401, code: 'unauthenticated' })
    const missing = await accept({ token })
    expectProblem(missing, { status: 400, code: 'validation_failed', pointers: ['/password'] })
    expect(await roleOf(user.email)).toBeUndefined()
    expect((await accept({ token, password: PASSWORD })).statusCode).toBe(200)
  })

  it('counts wrong passwords like a sign-in: the account waits, whichever way they came', async () => {
    await using strict = await TestApp.start({ env: { LOGIN_LOCKOUT_AFTER_FAILURES: '3' }, database: app.database })
    const user = await TestUser.register(app)
    const { token } = await invited(user.email)
    const attempt = (password: string) =>
      strict.inject({ method: 'POST', url: '/v1/invitations/accept', payload: { token, password } })
    for (let failures = 0; failures < 3; failures += 1) {
      expectProblem(await attempt(`${PASSWORD}x`), { status: 401, code: 'unauthenticated' })
    }
    const refused = await attempt(PASSWORD)
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'rate_limited'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    const payload = { email: user.email, password: PASSWORD }
    expect((await strict.inject({ method: 'POST', url: '/v1/auth/login', payload })).statusCode).toBe(429)
    // He who is signed in need not wait.
    const headers = bearer(user.accessToken)
    const options = { method: 'POST', url: '/v1/invitations/accept', payload: { token }, headers } as const
    expect((await strict.inject(options)).statusCode).toBe(200)
  })

  it('forgets the failures before a right password', async () => {
    const user = await TestUser.register(app)
    const { token } = await invited(user.email)
    await accept({ token, password: `${PASSWORD}x` })
    await accept({ token, password: PASSWORD })
    const emailHash = createHash('sha256').update(user.email).digest()
    expect(await app.sql('SELECT 1 FROM login_attempts WHERE email_hash = $1', [emailHash])).toEqual([])
  })

  it('is not for an API key, which would become a session', async () => {
    const user = await TestUser.register(app)
    const { token } = await invited(user.email)
    const key = await plantApiKey(app, user, ['members:write'])
    expectProblem(await accept({ token }, bearer(key)), { status: 403, code: 'forbidden' })
    expectProblem(await accept({ token, password: PASSWORD }, { 'x-api-key': key }), { status: 403, code: 'forbidden' })
    expect(await roleOf(user.email)).toBeUndefined()
  })

  it('does not go on without credentials when those that were sent are wrong', async () => {
    const { token } = await invited(anyEmail())
    const response = await accept({ token, password: PASSWORD }, bearer('none'))
    expectProblem(response, { status: 401, code: 'unauthenticated' })
  })

  it('gives one membership to twenty at once, signed in or by password', async () => {
    const user = await TestUser.register(app)
    const { token } = await invited(user.email)
    const attempts = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0 ? accept({ token }, bearer(user.accessToken)) : accept({ token, password: PASSWORD }),
    )
    const statuses = (await Promise.all(attempts)).map(({ statusCode }) => statusCode)
    expect(statuses.sort((a, b) => a - b)).toEqual([200, ...Array.from({ length: 19 }, () => 404)])
  })

  it('lets a member who was removed in again, without his old sessions', async () => {
    const member = await TestUser.join(app, owner, 'admin')
    await owner.request({ method: 'DELETE', url: `/v1/members/${member.userId}` })
    const { token } = await invited(member.email, 'viewer')
    expect((await accept({ token, password: PASSWORD })).json().role).toBe('viewer')
    const old = await member.request({ method: 'GET', url: '/v1/auth/me' })
    expectProblem(old, { status: 401, code: 'unauthenticated' })
  })
})

describe('an invitation that does not stand', () => {
  it('is refused in the same words, whatever is wrong with it', async () => {
    const used = await invited(anyEmail())
    await accept({ token: used.token, password: PASSWORD })
    const expired = await invited(anyEmail())
    await app.sql(`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id])
    const revoked = await invited(anyEmail())
    await revoke(owner, revoked.id)
    const tokens = [
      used.token,
      expired.token,
      revoked.token,
      mintInvitationToken().text,
      'tni_',
      'x',
      owner.refreshToken,
    ]
    const answers = await Promise.all(tokens.map((token) => accept({ token, password: PASSWORD })))
    const details = answers.map((answer) => expectProblem(answer, { status: 404, code: 'not_found' }).detail)
    expect(new Set(details).size).toBe(1)
    // Nor does it say more to who is signed in, or to who sends no password.
    const more = [await accept({ token: expired.token }), await accept({ token: 'x' }, bearer(owner.accessToken))]
    expect(more.map((answer) => answer.json().detail)).toEqual([details[0], details[0]])
  })

  it('dies by the setting for its life', async () => {
    await using brief = await TestApp.start({ env: { INVITATION_TTL_SECONDS: '60' }, database: app.database })
    const headers = bearer(owner.accessToken)
    const payload = { email: anyEmail() }
    const made = await brief.inject({ method: 'POST', url: '/v1/invitations', payload, headers })
    const { createdAt, expiresAt } = made.json()
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(60_000)
  })
})

describe('what the audit log is told', () => {
  it('has each invitation’s life, and never its token', async () => {
    const events = recordEvents(app)
    const [email, other] = [anyEmail(), anyEmail()]
    const first = await invited(email, 'viewer')
    const second = await invited(email, 'admin')
    const third = await invited(other)
    await revoke(owner, third.id)
    const { user } = (await accept({ token: second.token, password: PASSWORD })).json()
    const actor = { type: 'user', id: user.id }
    const invitation = (id: string) => ({ type: 'invitation', id })
    expect([...events.ofType('invitation.'), ...events.ofType('member.'), ...events.ofType('user.')]).toMatchObject([
      { audit: { action: 'invitation_created', resource: invitation(first.id), after: { email, role: 'viewer' } } },
      { audit: { action: 'invitation_revoked', resource: invitation(first.id), before: { email } } },
      { audit: { action: 'invitation_created', resource: invitation(second.id), after: { email, role: 'admin' } } },
      { audit: { action: 'invitation_created', resource: invitation(third.id), after: { email: other } } },
      { audit: { action: 'invitation_revoked', resource: invitation(third.id), before: { email: other } } },
      {
        audit: {
          action: 'invitation_accepted',
          resource: invitation(second.id),
          actor,
          after: { email, role: 'admin' },
        },
      },
      { audit: { action: 'user_created', resource: actor, actor, after: { role: 'admin' } } },
      { audit: { action: 'authn_login_success', resource: actor, actor } },
    ])
    expect(new Set(events.ofType('').map(({ tenantId }) => tenantId))).toEqual(new Set([owner.tenantId]))
    const told = JSON.stringify(events.ofType(''))
    for (const { token } of [first, second, third]) expect(told).not.toContain(token)
  })
})

describe('the link of an invitation', () => {
  it.each([
    [{ HOST: '127.0.0.1', PORT: '3999' }, 'http://127.0.0.1:3999/accept-invitation#token='],
    [{ HOST: '::1', PORT: '3999' }, 'http://[::1]:3999/accept-invitation#token='],
    [{ PUBLIC_URL: 'https://a.example/nest' }, 'https://a.example/nest/accept-invitation#token='],
  ])('leads where clients reach the server: %j', async (env, beginning) => {
    await using other = await TestApp.start({ env, database: app.database })
    const headers = bearer(owner.accessToken)
    const made = await other.inject({ method: 'POST', url: '/v1/invitations', payload: { email: anyEmail() }, headers })
    expect(made.json().acceptUrl.startsWith(beginning)).toBe(true)
  })
})
