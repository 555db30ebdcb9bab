import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { memberPageSchema, memberSchema } from '../../src/modules/auth/members/members.schemas.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const RACES = 20

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const join = (role: string) => TestUser.join(app, owner, role)
const list = (user: TestUser, query = '') => user.request({ method: 'GET', url: `/v1/members${query}` })
const update = (user: TestUser, userId: string, payload: object) =>
  user.request({ method: 'PATCH', url: `/v1/members/${userId}`, payload })
const remove = (user: TestUser, userId: string) => user.request({ method: 'DELETE', url: `/v1/members/${userId}` })
const getMe = (user: TestUser) => user.request({ method: 'GET', url: '/v1/auth/me' })

async function actingOwners(tenantId: string): Promise<number> {
  const rows = await app.sql(
    `SELECT 1 FROM memberships WHERE tenant_id = $1 AND role = 'owner' AND disabled_at IS NULL`,
    [tenantId],
  )
  return rows.length
}

describe('the list of members', () => {
  it('shows who is in the tenant and as what, the newest account first, and nobody else', async () => {
    const viewer = await join('viewer')
    await TestUser.register(app)
    const response = await list(viewer)
    expect(response.statusCode).toBe(200)
    const { data, nextCursor } = memberPageSchema.parse(response.json())
    expect(data.map(({ id, email, role, disabled }) => ({ id, email, role, disabled }))).toEqual([
      { id: viewer.userId, email: viewer.email, role: 'viewer', disabled: false },
      { id: owner.userId, email: owner.email, role: 'owner', disabled: false },
    ])
    expect(nextCursor).toBeNull()
  })

  it('pages with a cursor and a link', async () => {
    const members = [owner, await join('admin'), await join('member')]
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const response = await list(owner, `?limit=1${cursor && `&cursor=${cursor}`}`)
      const page = memberPageSchema.parse(response.json())
      seen.push(...page.data.map(({ id }) => id))
      cursor = page.nextCursor
      if (cursor !== null) expect(response.headers.link).toContain(`cursor=${cursor}`)
    }
    expect(seen).toEqual(members.map(({ userId }) => userId).reverse())
  })

  it('refuses a cursor that is none of its own', async () => {
    const forged = Buffer.from("' OR 1=1").toString('base64url')
    expectProblem(await list(owner, `?cursor=${forged}`), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/cursor'],
    })
  })
})

describe('a role', () => {
  it('is changed by an admin, and holds from the next request on', async () => {
    const [admin, member] = [await join('admin'), await join('member')]
    expect((await getMe(member)).json().role).toBe('member')
    const response = await update(admin, member.userId, { role: 'viewer' })
    expect(response.statusCode).toBe(200)
    expect(memberSchema.parse(response.json())).toMatchObject({ id: member.userId, role: 'viewer' })
    expect((await getMe(member)).json()).toMatchObject({
      role: 'viewer',
      permissions: expect.not.arrayContaining(['runs:write']),
    })
    expectProblem(await member.run({ task: 'Run.' }), { status: 403, code: 'forbidden' })
  })

  it('is made owner by an owner', async () => {
    const member = await join('member')
    expect((await update(owner, member.userId, { role: 'owner' })).json().role).toBe('owner')
    expect((await update(member, owner.userId, { role: 'viewer' })).json().role).toBe('viewer')
  })

  it.each(['owner', 'admin'])('cannot be raised by an admin above his own: owner for %s', async (role) => {
    const [admin, other] = [await join('admin'), await join(role === 'owner' ? 'member' : 'admin')]
    expectProblem(await update(admin, other.userId, { role: 'owner' }), { status: 403, code: 'forbidden' })
    expectProblem(await update(admin, admin.userId, { role: 'owner' }), { status: 403, code: 'forbidden' })
    expect((await getMe(admin)).json().role).toBe('admin')
  })

  it('of an owner is out of the reach of an admin, and so is his suspension and removal', async () => {
    const [admin, second] = [await join('admin'), await join('owner')]
    for (const target of [owner, second]) {
      for (const change of [{ role: 'viewer' }, { disabled: true }, { disabled: false }]) {
        expectProblem(await update(admin, target.userId, change), { status: 403, code: 'forbidden' })
      }
      expectProblem(await remove(admin, target.userId), { status: 403, code: 'forbidden' })
    }
    expect(await actingOwners(owner.tenantId)).toBe(2)
  })

  it.each(['member', 'viewer'])('of anybody is out of the reach of a %s, his own included', async (role) => {
    const [actor, other] = [await join(role), await join('viewer')]
    for (const target of [actor, other]) {
      expectProblem(await update(actor, target.userId, { role: 'admin' }), { status: 403, code: 'forbidden' })
    }
    expectProblem(await remove(actor, other.userId), { status: 403, code: 'forbidden' })
    expect((await list(owner)).json().data).toHaveLength(3)
  })

  it.each([
    { role: 'root' },
    { role: ['owner'] },
    { role: null },
    { disabled: 'true' },
    { tenantId: newId() },
    { userId: newId() },
    { id: newId() },
    { email: 'other@example.com' },
    { permissions: ['members:write'] },
  ])('cannot be changed with %j', async (payload) => {
    const member = await join('member')
    expectProblem(await update(owner, member.userId, payload), { status: 400, code: 'validation_failed' })
    expect((await getMe(member)).json().role).toBe('member')
  })

  it('stays as it is when nothing is asked for', async () => {
    const member = await join('member')
    const events = recordEvents(app)
    expect((await update(owner, member.userId, {})).json().role).toBe('member')
    expect((await update(owner, member.userId, { role: 'member', disabled: false })).json().disabled).toBe(false)
    expect(events.ofType('member.')).toEqual([])
  })
})

describe('a member of another tenant', () => {
  it('is like one that never was, to every verb', async () => {
    const stranger = await TestUser.register(app)
    const answers = await Promise.all(
      [stranger.userId, newId(), 'none', '%27'].flatMap((id) => [
        update(owner, id, { role: 'viewer' }),
        update(owner, id, { disabled: true }),
        remove(owner, id),
      ]),
    )
    const details = answers.map((answer) => expectProblem(answer, { status: 404, code: 'not_found' }).detail)
    expect(new Set(details).size).toBe(1)
    expect((await getMe(stranger)).json().role).toBe('owner')
  })

  it('keeps his role there when a tenant that he is also in changes it', async () => {
    const guest = await join('member')
    const home = await TestUser.register(app)
    const accepted = await invite(home, guest.email, 'admin')
    expect((await update(owner, guest.userId, { role: 'viewer' })).statusCode).toBe(200)
    expect((await getMe(accepted)).json()).toMatchObject({ tenant: { id: home.tenantId }, role: 'admin' })
  })
})

/** Invites somebody who has an account, and accepts for him. */
async function invite(inviter: TestUser, email: string, role: string): Promise<TestUser> {
  const invited = await inviter.request({ method: 'POST', url: '/v1/invitations', payload: { email, role } })
  const payload = { token: invited.json().token, password: PASSWORD }
  return TestUser.signedIn(app, await app.inject({ method: 'POST', url: '/v1/invitations/accept', payload }))
}

describe('a suspension', () => {
  it('ends the sessions of the member, and keeps him out until he is reinstated', async () => {
    const member = await join('member')
    const response = await update(owner, member.userId, { disabled: true })
    expect(memberSchema.parse(response.json()).disabled).toBe(true)
    expectProblem(await getMe(member), { status: 401, code: 'unauthenticated' })
    const login = () =>
      app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email: member.email, password: PASSWORD } })
    expectProblem(await login(), { status: 403, code: 'forbidden' })
    const refreshed = await app.inject({
      method: 'POST',
      url: '/v1/auth/refresh',
      payload: { refreshToken: member.refreshToken },
    })
    expectProblem(refreshed, { status: 401, code: 'unauthenticated' })

    expect((await update(owner, member.userId, { disabled: false })).json().disabled).toBe(false)
    expectProblem(await getMe(member), { status: 401, code: 'unauthenticated' })
    expect((await login()).statusCode).toBe(200)
  })

  it('is not for oneself, not even where others own the tenant, too', async () => {
    const admin = await join('admin')
    await join('owner')
    for (const user of [admin, owner]) {
      expectProblem(await update(user, user.userId, { disabled: true }), { status: 403, code: 'forbidden' })
      expect((await getMe(user)).statusCode).toBe(200)
    }
  })

  it('ends no session in another tenant', async () => {
    const guest = await TestUser.register(app)
    const here = await invite(owner, guest.email, 'member')
    await update(owner, guest.userId, { disabled: true })
    expectProblem(await getMe(here), { status: 401, code: 'unauthenticated' })
    expect((await getMe(guest)).statusCode).toBe(200)
  })
})

describe('a removal', () => {
  it('takes the sessions and API keys in the tenant with it', async () => {
    const member = await join('member')
    expect((await remove(owner, member.userId)).statusCode).toBe(204)
    expectProblem(await getMe(member), { status: 401, code: 'unauthenticated' })
    expectProblem(await remove(owner, member.userId), { status: 404, code: 'not_found' })
    const left = await app.sql('SELECT 1 FROM sessions WHERE tenant_id = $1 AND user_id = $2', [
      owner.tenantId,
      member.userId,
    ])
    expect(left).toEqual([])
  })

  it('of oneself is leaving, for which being signed in is enough', async () => {
    for (const role of ['viewer', 'member', 'admin']) {
      const member = await join(role)
      expect((await remove(member, member.userId)).statusCode).toBe(204)
      expectProblem(await getMe(member), { status: 401, code: 'unauthenticated' })
    }
    expect((await list(owner)).json().data).toHaveLength(1)
  })

  it('ends no session in another tenant, though he himself leaves', async () => {
    const guest = await TestUser.register(app)
    const here = await invite(owner, guest.email, 'member')
    expect((await remove(here, guest.userId)).statusCode).toBe(204)
    expect((await getMe(guest)).statusCode).toBe(200)
  })

  it('is nothing that an anonymous request can do', async () => {
    const response = await app.inject({ method: 'DELETE', url: `/v1/members/${owner.userId}` })
    expectProblem(response, { status: 401, code: 'unauthenticated' })
  })
})

describe('the last owner', () => {
  it('cannot leave, step down or be suspended', async () => {
    await join('admin')
    expectProblem(await remove(owner, owner.userId), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { role: 'admin' }), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { disabled: true }), { status: 409, code: 'last_owner' })
    expect((await getMe(owner)).json().role).toBe('owner')
  })

  it('is the one beside whom every other is suspended', async () => {
    const second = await join('owner')
    await update(owner, second.userId, { disabled: true })
    expectProblem(await remove(owner, owner.userId), { status: 409, code: 'last_owner' })
    expectProblem(await update(owner, owner.userId, { role: 'admin' }), { status: 409, code: 'last_owner' })
    expect((await remove(owner, second.userId)).statusCode).toBe(204)
  })

  it('may go once there is another', async () => {
    await join('owner')
    expect((await update(owner, owner.userId, { role: 'viewer' })).json().role).toBe('viewer')
    expect((await remove(owner, owner.userId)).statusCode).toBe(204)
    expect(await actingOwners(owner.tenantId)).toBe(1)
  })

  it.each<[string, (actor: TestUser, target: TestUser) => ReturnType<typeof update>]>([
    ['demote', (actor, target) => update(actor, target.userId, { role: 'member' })],
    ['suspend', (actor, target) => update(actor, target.userId, { disabled: true })],
    ['remove', (actor, target) => remove(actor, target.userId)],
  ])('stays when two owners %s each other at once', async (_, act) => {
    const second = await join('owner')
    for (let race = 0; race < RACES; race += 1) {
      const [one, two] = await freshOwners(second)
      const answers = await Promise.all([act(one, two), act(two, one)])
      expect(answers.filter(({ statusCode }) => statusCode < 300)).toHaveLength(1)
      const refused = answers.filter(({ statusCode }) => statusCode >= 300)
      // The slower one is refused for what he would do, or for what he is no more.
      expect([401, 403, 409]).toContain(refused[0]?.statusCode)
      expect(await actingOwners(owner.tenantId)).toBe(1)
    }
  })

  it('stays when both owners leave at once', async () => {
    const second = await join('owner')
    for (let race = 0; race < RACES; race += 1) {
      const [one, two] = await freshOwners(second)
      const answers = await Promise.all([remove(one, one.userId), remove(two, two.userId)])
      expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([204, 409])
    }
  })

  /** Both as owners again, newly signed in. */
  async function freshOwners(second: TestUser): Promise<[TestUser, TestUser]> {
    for (const { userId } of [owner, second]) {
      await app.sql(
        `INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, 'owner', now())
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = 'owner', disabled_at = NULL`,
        [owner.tenantId, userId],
      )
    }
    const [one, two] = await Promise.all(
      [owner, second].map(async ({ email }) => {
        const payload = { email, password: PASSWORD, tenantId: owner.tenantId }
        return TestUser.signedIn(app, await app.inject({ method: 'POST', url: '/v1/auth/login', payload }))
      }),
    )
    if (!one || !two) throw new Error('two owners were to sign in')
    return [one, two]
  }
})

describe('an owner who was demoted while his request was under way', () => {
  it('changes nobody any more', async () => {
    const [second, member] = [await join('owner'), await join('member')]
    for (let race = 0; race < RACES; race += 1) {
      await app.sql(`UPDATE memberships SET role = 'owner' WHERE tenant_id = $1 AND user_id = $2`, [
        owner.tenantId,
        second.userId,
      ])
      await update(owner, member.userId, { role: 'member' })
      const [demoted, raised] = await Promise.all([
        update(owner, second.userId, { role: 'viewer' }),
        update(second, member.userId, { role: 'owner' }),
      ])
      expect(demoted.statusCode).toBe(200)
      expect([200, 403]).toContain(raised.statusCode)
      const { role } = (await list(owner)).json().data.find(({ id }: { id: string }) => id === member.userId)
      expect(role).toBe(raised.statusCode === 200 ? 'owner' : 'member')
    }
  })
})

describe('what the audit log is told', () => {
  it('has each change once, with what it was before', async () => {
    const [admin, member] = [await join('admin'), await join('member')]
    const events = recordEvents(app)
    await update(admin, member.userId, { role: 'viewer', disabled: true })
    await update(admin, member.userId, { disabled: false })
    await remove(admin, member.userId)
    const resource = { type: 'user', id: member.userId }
    const about = { tenantId: owner.tenantId }
    expect(events.ofType('member.')).toEqual([
      expect.objectContaining({
        ...about,
        type: 'member.role_changed',
        audit: { action: 'authz_change', resource, before: { role: 'member' }, after: { role: 'viewer' } },
      }),
      expect.objectContaining({
        ...about,
        type: 'member.suspended',
        audit: { action: 'user_updated', resource, before: { disabled: false }, after: { disabled: true } },
      }),
      expect.objectContaining({
        ...about,
        type: 'member.reinstated',
        audit: { action: 'user_updated', resource, before: { disabled: true }, after: { disabled: false } },
      }),
      expect.objectContaining({
        ...about,
        type: 'member.removed',
        audit: { action: 'user_deleted', resource, before: { role: 'viewer' } },
      }),
    ])
  })

  it('has nothing of a change that was refused', async () => {
    const admin = await join('admin')
    const events = recordEvents(app)
    await update(admin, owner.userId, { role: 'viewer' })
    await remove(owner, owner.userId)
    await update(owner, newId(), { role: 'viewer' })
    expect(events.ofType('member.')).toEqual([])
  })
})

describe('an API key', () => {
  /** As the endpoint for keys stores it; that endpoint is not what is tested here. */
  async function mintKey(user: TestUser, scopes: readonly string[]): Promise<string> {
    const { mintApiKey } = await import('../../src/modules/auth/api-keys/api-key.js')
    const key = mintApiKey()
    await app.sql(
      `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at)
       VALUES ($1, $2, $3, 'test', $4, $5, $6, now())`,
      [user.tenantId, newId(), user.userId, key.prefix, key.hash, scopes],
    )
    return key.text
  }
  const withKey = (key: string, options: { method: 'GET' | 'PATCH' | 'DELETE'; url: string; payload?: object }) =>
    app.inject({ ...options, headers: { authorization: `Bearer ${key}` } })

  it('that may not change members does not end the membership of who made it', async () => {
    const member = await join('member')
    const key = await mintKey(member, ['runs:write', 'members:read'])
    const response = await withKey(key, { method: 'DELETE', url: `/v1/members/${member.userId}` })
    expectProblem(response, { status: 403, code: 'forbidden' })
  })

  it('follows the role of who made it, and dies with his membership', async () => {
    const admin = await join('admin')
    const key = await mintKey(admin, ['members:read', 'members:write'])
    const url = `/v1/members/${(await join('member')).userId}`
    const change = () => withKey(key, { method: 'PATCH', url, payload: { role: 'viewer' } })
    const look = () => withKey(key, { method: 'GET', url: '/v1/members' })
    expect((await change()).statusCode).toBe(200)
    await update(owner, admin.userId, { role: 'member' })
    expectProblem(await change(), { status: 403, code: 'forbidden' })
    await update(owner, admin.userId, { disabled: true })
    expectProblem(await look(), { status: 401, code: 'unauthenticated' })
    await update(owner, admin.userId, { disabled: false })
    expect((await look()).statusCode).toBe(200)
    await remove(owner, admin.userId)
    expectProblem(await look(), { status: 401, code: 'unauthenticated' })
  })

  it('is shown only the tenant that it is of', async () => {
    const guest = await TestUser.register(app)
    const here = await invite(owner, guest.email, 'member')
    const key = await mintKey(here, ['members:read'])
    const tenants = (await withKey(key, { method: 'GET', url: '/v1/auth/me' })).json().tenants
    expect(tenants.map(({ id }: { id: string }) => id)).toEqual([owner.tenantId])
  })
})

describe('a user in several tenants', () => {
  it('sees them all with his role in each, and signs in to the one that he names', async () => {
    const email = `guest-${randomBytes(6).toString('hex')}@example.com`
    const guest = await TestUser.register(app, { email })
    await invite(owner, email, 'viewer')
    const { tenants } = (await getMe(guest)).json()
    expect(tenants).toEqual([
      { id: guest.tenantId, name: expect.any(String), role: 'owner' },
      { id: owner.tenantId, name: expect.any(String), role: 'viewer' },
    ])
    const payload = { email, password: PASSWORD, tenantId: owner.tenantId }
    const signedIn = await app.inject({ method: 'POST', url: '/v1/auth/login', payload })
    expect(signedIn.json()).toMatchObject({ tenant: { id: owner.tenantId }, role: 'viewer' })
    expect((await getMe(owner)).json().tenants.map(({ id }: { id: string }) => id)).toEqual([owner.tenantId])
  })

  it('does not see one any more where he is suspended', async () => {
    const guest = await TestUser.register(app)
    await invite(owner, guest.email, 'viewer')
    await update(owner, guest.userId, { disabled: true })
    const { tenants } = (await getMe(guest)).json()
    expect(tenants.map(({ id }: { id: string }) => id)).toEqual([guest.tenantId])
  })
})
