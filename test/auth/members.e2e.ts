import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { memberPageSchema, memberSchema } from '../../src/modules/auth/members/members.schemas.js'
import { permissionsOf } from '../../src/modules/auth/permissions.js'
import { plantApiKey } from '../support/planted-api-key.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

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

describe('an API key with members:write', () => {
  it('has a say only over roles that may do no more than the key', async () => {
    const [viewer, member] = [await join('viewer'), await join('member')]
    const key = await plantApiKey(app, owner, [...permissionsOf('viewer'), 'members:write'])
    const request = (method: 'PATCH' | 'DELETE', { userId }: TestUser, payload: object = {}) =>
      app.inject({
        method,
        url: `/v1/members/${userId}`,
        headers: { authorization: `Bearer ${key}` },
        ...(method === 'PATCH' && { payload }),
      })
    const refused = { status: 403, code: 'forbidden' }
    for (const role of ['owner', 'admin', 'member']) expectProblem(await request('PATCH', viewer, { role }), refused)
    expectProblem(await request('PATCH', member, { role: 'viewer' }), refused)
    expectProblem(await request('DELETE', member), refused)
    expect((await request('PATCH', viewer, { disabled: true })).statusCode).toBe(200)
    expect((await request('DELETE', viewer)).statusCode).toBe(204)
  })
})

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

  it('is not raised by an admin above his own, neither his nor another', async () => {
    const admin = await join('admin')
    for (const target of [admin, await join('admin'), await join('member')]) {
      expectProblem(await update(admin, target.userId, { role: 'owner' }), { status: 403, code: 'forbidden' })
    }
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
    const roles = (await list(owner)).json().data.map((member: { role: string }) => member.role)
    expect(roles).toEqual(['owner', 'admin', 'owner'])
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
  it('takes the sessions in the tenant with it', async () => {
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
