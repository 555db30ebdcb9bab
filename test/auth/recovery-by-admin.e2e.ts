import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { mintApiKey } from '../../src/modules/auth/api-keys/api-key.js'
import { memberResetSchema } from '../../src/modules/auth/recovery/recovery.schemas.js'
import { Mailbox } from '../support/mailbox.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const NEW_PASSWORD = 'Another-Horse-43'

let app: TestApp
let owner: TestUser
const events: { action: string; tenantId: string; after: unknown }[] = []

beforeAll(async () => {
  app = await TestApp.start({ env: { PUBLIC_URL: 'https://tempo.example.com' } })
  app.nest.get(EventBus).subscribe(AuditedEvent, async ({ tenantId, audit }) => {
    events.push({ action: audit.action, tenantId, after: audit.after })
  })
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

/** A user whose only team is that of `host`. */
async function hire(
  host: TestUser,
  role: string,
  server = app,
): Promise<{ userId: string; email: string; token: string }> {
  const { userId, email, tenantId } = await TestUser.register(server)
  await join(userId, host.tenantId, role, server)
  await server.sql('DELETE FROM memberships WHERE tenant_id = $1', [tenantId])
  const payload = { email, password: PASSWORD }
  const signedIn = await server.inject({ method: 'POST', url: '/v1/auth/login', payload })
  return { userId, email, token: signedIn.json().accessToken }
}

async function join(userId: string, tenantId: string, role: string, server = app): Promise<void> {
  await server.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    tenantId,
    userId,
    role,
  ])
}

const issue = (token: string, userId: string, server = app, headers: Record<string, string> = {}) =>
  server.inject({
    method: 'POST',
    url: `/v1/members/${userId}/password-reset`,
    headers: { authorization: `Bearer ${token}`, ...headers },
  })
const reset = (token: string) =>
  app.inject({ method: 'POST', url: '/v1/auth/password/reset', payload: { token, password: NEW_PASSWORD } })
const login = (email: string, password: string) =>
  app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password } })

describe('an admin on a server without mail', () => {
  it.each<[string, (adminId: string, memberId: string) => Promise<unknown>]>([
    ['he is no member any more', (adminId) => app.sql('DELETE FROM memberships WHERE user_id = $1', [adminId])],
    [
      'he is suspended',
      (adminId) => app.sql('UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [adminId]),
    ],
    ['he is a viewer', (adminId) => app.sql(`UPDATE memberships SET role = 'viewer' WHERE user_id = $1`, [adminId])],
    [
      'the member has become an owner',
      (_, memberId) => app.sql(`UPDATE memberships SET role = 'owner' WHERE user_id = $1`, [memberId]),
    ],
  ])('holds a link that is worth nothing once %s', async (_, change) => {
    const [admin, member] = [await hire(owner, 'admin'), await hire(owner, 'member')]
    const { token } = (await issue(admin.token, member.userId)).json()
    await change(admin.userId, member.userId)
    expectProblem(await reset(token), { status: 400, code: 'validation_failed', pointers: ['/token'] })
    expect((await login(member.email, PASSWORD)).statusCode).toBe(200)
  })

  it('is handed a link for a member, once and to no cache, and the team’s record says so', async () => {
    const [admin, member] = [await hire(owner, 'admin'), await hire(owner, 'member')]
    events.length = 0
    const response = await issue(admin.token, member.userId)
    expect([response.statusCode, response.headers['cache-control']]).toEqual([201, 'no-store'])
    const { token, resetUrl } = memberResetSchema.parse(response.json())
    expect(resetUrl).toBe(`https://tempo.example.com/reset-password#token=${token}`)
    expect(events).toEqual([{ action: 'authz_admin', tenantId: owner.tenantId, after: { resetDelivery: 'link' } }])
    expect((await reset(token)).statusCode).toBe(204)
    expect((await login(member.email, NEW_PASSWORD)).statusCode).toBe(200)
    const rows = await app.sql('SELECT email_verified_at FROM users WHERE id = $1', [member.userId])
    expect(rows).toEqual([{ email_verified_at: null }])
  })

  it('makes the link before it worthless', async () => {
    const member = await hire(owner, 'member')
    const first = (await issue(owner.accessToken, member.userId)).json().token
    const second = (await issue(owner.accessToken, member.userId)).json().token
    expect((await reset(first)).statusCode).toBe(400)
    expect((await reset(second)).statusCode).toBe(204)
  })

  it('is handed one link for one idempotency key, however often he asks', async () => {
    const member = await hire(owner, 'member')
    const first = await issue(owner.accessToken, member.userId, app, { 'idempotency-key': 'reset-once' })
    const second = await issue(owner.accessToken, member.userId, app, { 'idempotency-key': 'reset-once' })
    expect([second.statusCode, second.headers['idempotent-replayed']]).toEqual([201, 'true'])
    expect([second.body, second.headers['cache-control']]).toEqual([first.body, 'no-store'])
    expect((await reset(first.json().token)).statusCode).toBe(204)
  })

  it('gets none for an owner: that takes an owner', async () => {
    const [admin, second] = [await hire(owner, 'admin'), await hire(owner, 'owner')]
    expectProblem(await issue(admin.token, second.userId), { status: 403, code: 'forbidden' })
    expect((await issue(owner.accessToken, second.userId)).statusCode).toBe(201)
  })

  it('gets none for himself, whose session somebody may have stolen', async () => {
    expectProblem(await issue(owner.accessToken, owner.userId), { status: 403, code: 'forbidden' })
  })

  it.each(['member', 'viewer'])('is no %s: they get none at all', async (role) => {
    const [colleague, member] = [await hire(owner, role), await hire(owner, 'viewer')]
    expectProblem(await issue(colleague.token, member.userId), { status: 403, code: 'forbidden' })
  })

  it('is a person: an API key gets none, whatever its scopes', async () => {
    const member = await hire(owner, 'member')
    const key = mintApiKey()
    await app.sql(
      `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at)
       VALUES ($1, $2, $3, 'key', $4, $5, '{members:write}', now())`,
      [owner.tenantId, newId(), owner.userId, key.prefix, key.hash],
    )
    const problem = expectProblem(await issue(key.text, member.userId), { status: 403, code: 'forbidden' })
    expect(problem.detail).toContain('API key')
  })

  it('finds only members: one of another team is not there, word for word like one that never was', async () => {
    const stranger = await TestUser.register(app)
    const answers = []
    for (const id of [stranger.userId, newId(), 'no-id']) {
      const {
        requestId: _,
        instance: __,
        ...problem
      } = expectProblem(await issue(owner.accessToken, id), {
        status: 404,
        code: 'not_found',
      })
      answers.push(problem)
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  })

  it('gets none for a member of another team, which the link would open, too', async () => {
    const [member, other] = [await hire(owner, 'member'), await TestUser.register(app)]
    await join(member.userId, other.tenantId, 'viewer')
    expectProblem(await issue(owner.accessToken, member.userId), { status: 409, code: 'member_of_other_tenants' })
    expect(await app.sql('SELECT 1 FROM one_time_tokens WHERE user_id = $1', [member.userId])).toEqual([])
  })

  it('cannot keep a link until its member joins, or has gone over to, another team', async () => {
    const other = await TestUser.register(app)
    for (const isLeaving of [false, true]) {
      const member = await hire(owner, 'member')
      const { token } = (await issue(owner.accessToken, member.userId)).json()
      await join(member.userId, other.tenantId, 'admin')
      if (isLeaving)
        await app.sql('DELETE FROM memberships WHERE user_id = $1 AND tenant_id = $2', [member.userId, owner.tenantId])
      expectProblem(await reset(token), { status: 400, code: 'validation_failed', pointers: ['/token'] })
      expect((await login(member.email, PASSWORD)).statusCode).toBe(200)
    }
  })
})

describe('an admin on a server with mail', () => {
  it('has a link sent to the member, and never sees it', async () => {
    await using mailbox = await Mailbox.start()
    await using mailing = await TestApp.start({ env: { SMTP_URL: mailbox.url } })
    const boss = await TestUser.register(mailing)
    const member = await hire(boss, 'member', mailing)
    const once = { 'idempotency-key': 'mail-once' }
    const response = await issue(boss.accessToken, member.userId, mailing, once)
    expect([response.statusCode, response.json()]).toEqual([202, { status: 'reset_sent' }])
    const repeated = await issue(boss.accessToken, member.userId, mailing, once)
    expect([repeated.statusCode, repeated.headers['idempotent-replayed'], repeated.body]).toEqual([
      202,
      'true',
      response.body,
    ])
    const { token } = await mailbox.receive(member.email)
    const jobs = await mailing.sql(`SELECT 1 FROM pgboss.job WHERE name = 'auth.recovery-mails'`)
    expect(jobs).toHaveLength(1)
    const payload = { token, password: NEW_PASSWORD }
    const answer = await mailing.inject({ method: 'POST', url: '/v1/auth/password/reset', payload })
    expect(answer.statusCode).toBe(204)
  })
})
