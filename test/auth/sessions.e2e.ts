import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const PREFIX = 'tnr_'
const RACES = 20
const RACERS = 100

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

function refresh(refreshToken: string) {
  return app.inject({ method: 'POST', url: '/v1/auth/refresh', payload: { refreshToken } })
}

function login(email: string, tenantId?: string) {
  return app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password: PASSWORD, tenantId } })
}

async function getStatus(accessToken: string): Promise<number> {
  return (await app.inject({ url: '/v1/auth/me', headers: { authorization: `Bearer ${accessToken}` } })).statusCode
}

function expectRefused(response: Awaited<ReturnType<typeof refresh>>): void {
  expectProblem(response, { status: 401, code: 'unauthenticated', instance: '/v1/auth/refresh' })
}

/** As if the grace of spent tokens had passed. */
async function letGracePass({ tenantId }: TestUser): Promise<void> {
  await app.sql(`UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE tenant_id = $1`, [tenantId])
}

async function join(member: TestUser, tenantId: string, role: string): Promise<void> {
  await app.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    tenantId,
    member.userId,
    role,
  ])
}

describe('a refresh token', () => {
  it('gives all who use it at once the same next one, a hundred at a time', async () => {
    let token = user.refreshToken
    for (let race = 0; race < RACES; race++) {
      const responses = await Promise.all(Array.from({ length: RACERS }, () => refresh(token)))
      const next = new Set(responses.map((response) => response.json().refreshToken))
      expect([race, responses.filter(({ statusCode }) => statusCode === 200).length, next.size]).toEqual([
        race,
        RACERS,
        1,
      ])
      token = [...next][0]
    }
    const [{ spent, unspent }] = (await app.sql(
      `SELECT count(used_at)::int AS spent, (count(*) - count(used_at))::int AS unspent
         FROM refresh_tokens WHERE tenant_id = $1`,
      [user.tenantId],
    )) as [{ spent: number; unspent: number }]
    expect({ spent, unspent }).toEqual({ spent: RACES, unspent: 1 })
  })

  it('that comes again after its grace ends the session, with every token of it', async () => {
    const pair = (await refresh(user.refreshToken)).json()
    expect([await getStatus(user.accessToken), await getStatus(pair.accessToken)]).toEqual([200, 200])
    await letGracePass(user)
    expectRefused(await refresh(user.refreshToken))
    expect([await getStatus(user.accessToken), await getStatus(pair.accessToken)]).toEqual([401, 401])
    expectRefused(await refresh(pair.refreshToken))
  })

  it('has no grace once the one that replaced it has been used: a grandparent ends the session', async () => {
    const child = (await refresh(user.refreshToken)).json()
    const grandchild = (await refresh(child.refreshToken)).json()
    expectRefused(await refresh(user.refreshToken))
    expect(await getStatus(grandchild.accessToken)).toBe(401)
    expectRefused(await refresh(grandchild.refreshToken))
  })

  it('gives the same child again within its grace, and the session goes on', async () => {
    const first = (await refresh(user.refreshToken)).json()
    const second = (await refresh(user.refreshToken)).json()
    expect(second.refreshToken).toBe(first.refreshToken)
    expect(await getStatus(second.accessToken)).toBe(200)
    expect((await refresh(first.refreshToken)).statusCode).toBe(200)
  })

  it('is worth nothing when it is readdressed to another tenant, and that ends no session', async () => {
    const other = await TestUser.register(app)
    const bytes = Buffer.from(user.refreshToken.slice(PREFIX.length), 'base64url')
    Buffer.from(other.tenantId.replaceAll('-', ''), 'hex').copy(bytes)
    expectRefused(await refresh(PREFIX + bytes.toString('base64url')))
    expect((await refresh(user.refreshToken)).statusCode).toBe(200)
    expect((await refresh(other.refreshToken)).statusCode).toBe(200)
  })

  it.each(['expires_at', 'ends_at'])('is refused once its session has come to its end: %s', async (column) => {
    await app.sql(`UPDATE sessions SET ${column} = now() - interval '1 second' WHERE tenant_id = $1`, [user.tenantId])
    expectRefused(await refresh(user.refreshToken))
  })

  it('moves the idle end of its session, and never past the absolute one', async () => {
    await app.sql(
      `UPDATE sessions SET expires_at = now() + interval '1 hour', ends_at = date_trunc('milliseconds', now()) + interval '2 days' WHERE tenant_id = $1`,
      [user.tenantId],
    )
    const pair = (await refresh(user.refreshToken)).json()
    const [moved] = await app.sql(
      'SELECT s.expires_at = s.ends_at AS capped, t.expires_at = s.ends_at AS token FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id AND t.used_at IS NULL WHERE s.tenant_id = $1',
      [user.tenantId],
    )
    expect(moved).toEqual({ capped: true, token: true })
    expect((await refresh(pair.refreshToken)).statusCode).toBe(200)
  })

  it('is refused once it has expired', async () => {
    await app.sql(`UPDATE refresh_tokens SET expires_at = now() - interval '1 second' WHERE tenant_id = $1`, [
      user.tenantId,
    ])
    expectRefused(await refresh(user.refreshToken))
  })

  it('is refused once its session is revoked', async () => {
    await app.sql('UPDATE sessions SET revoked_at = now() WHERE tenant_id = $1', [user.tenantId])
    expectRefused(await refresh(user.refreshToken))
  })

  it('is refused once its user is no member any more, or suspended', async () => {
    await app.sql('UPDATE memberships SET disabled_at = now() WHERE user_id = $1', [user.userId])
    expectRefused(await refresh(user.refreshToken))
    await app.sql('DELETE FROM memberships WHERE user_id = $1', [user.userId])
    expectRefused(await refresh(user.refreshToken))
  })

  it('brings the role that its user has by now', async () => {
    await app.sql(`UPDATE memberships SET role = 'viewer' WHERE user_id = $1`, [user.userId])
    const pair = (await refresh(user.refreshToken)).json()
    expect(pair.role).toBe('viewer')
    const headers = { authorization: `Bearer ${pair.accessToken}` }
    const me = (await app.inject({ url: '/v1/auth/me', headers })).json()
    expect(me).toMatchObject({ role: 'viewer', permissions: expect.not.arrayContaining(['runs:write']) })
  })

  it('ends its own session when it is replayed, and no other', async () => {
    const elsewhere = (await login(user.email)).json()
    expect((await refresh(user.refreshToken)).statusCode).toBe(200)
    await letGracePass(user)
    expectRefused(await refresh(user.refreshToken))
    expect((await refresh(elsewhere.refreshToken)).statusCode).toBe(200)
  })
})

describe('sessions', () => {
  it('are listed newest first with the current one marked, and ended one by one', async () => {
    const { accessToken } = (
      await app.inject({
        method: 'POST',
        url: '/v1/auth/login',
        payload: { email: user.email, password: PASSWORD },
        headers: { 'user-agent': 'a second browser' },
      })
    ).json()
    const { data, nextCursor } = (await user.request({ url: '/v1/auth/sessions' })).json()
    expect(data).toMatchObject([
      { current: false, userAgent: 'a second browser', address: '127.0.0.1', tenantId: user.tenantId },
      { current: true },
    ])
    expect(nextCursor).toBeNull()
    const ended = await user.request({ method: 'DELETE', url: `/v1/auth/sessions/${data[0].id}` })
    expect([ended.statusCode, ended.body]).toEqual([204, ''])
    expect(await getStatus(accessToken)).toBe(401)
    expect(await getStatus(user.accessToken)).toBe(200)
    const again = await user.request({ method: 'DELETE', url: `/v1/auth/sessions/${data[0].id}` })
    expectProblem(again, { status: 404, code: 'not_found' })
  })

  it('end at once when their id comes in upper case, too', async () => {
    const { accessToken } = (await login(user.email)).json()
    const [{ id }] = (await user.request({ url: '/v1/auth/sessions' })).json().data
    expect(await getStatus(accessToken)).toBe(200)
    const url = `/v1/auth/sessions/${String(id).toUpperCase()}`
    expect((await user.request({ method: 'DELETE', url })).statusCode).toBe(204)
    expect(await getStatus(accessToken)).toBe(401)
  })

  it('are paged', async () => {
    await login(user.email)
    await login(user.email)
    const first = (await user.request({ url: '/v1/auth/sessions?limit=2' })).json()
    const second = (await user.request({ url: `/v1/auth/sessions?limit=2&cursor=${first.nextCursor}` })).json()
    expect([first.data.length, second.data.length, second.nextCursor]).toEqual([2, 1, null])
    const ids = [...first.data, ...second.data].map(({ id }: { id: string }) => id)
    expect(ids).toEqual([...new Set(ids)].sort().toReversed())
  })

  it('of somebody else cannot be seen or ended', async () => {
    const other = await TestUser.register(app)
    const [{ id }] = (await other.request({ url: '/v1/auth/sessions' })).json().data
    const foreign = await user.request({ method: 'DELETE', url: `/v1/auth/sessions/${id}` })
    const invented = await user.request({ method: 'DELETE', url: '/v1/auth/sessions/nonsense' })
    expectProblem(foreign, { status: 404, code: 'not_found' })
    expect(invented.json().detail).toBe(foreign.json().detail)
    expect(await getStatus(other.accessToken)).toBe(200)
  })

  it('all end with logout-all, in every tenant', async () => {
    const host = await TestUser.register(app)
    await join(user, host.tenantId, 'member')
    const elsewhere = (await login(user.email, host.tenantId)).json()
    expect((await user.request({ method: 'POST', url: '/v1/auth/logout-all' })).statusCode).toBe(204)
    expect([await getStatus(user.accessToken), await getStatus(elsewhere.accessToken)]).toEqual([401, 401])
    expectRefused(await refresh(elsewhere.refreshToken))
    expect(await getStatus(host.accessToken)).toBe(200)
  })

  it('end with logout: access and refresh token are dead at once', async () => {
    expect((await user.request({ method: 'POST', url: '/v1/auth/logout' })).statusCode).toBe(204)
    expect(await getStatus(user.accessToken)).toBe(401)
    expectRefused(await refresh(user.refreshToken))
    expect((await user.request({ method: 'POST', url: '/v1/auth/logout' })).statusCode).toBe(401)
  })
})

describe('logout', () => {
  it('takes a refresh token in place of an access token, a spent one, too', async () => {
    const { refreshToken: spent } = user
    const pair = (await refresh(spent)).json()
    const logout = () => app.inject({ method: 'POST', url: '/v1/auth/logout', payload: { refreshToken: spent } })
    expect((await logout()).statusCode).toBe(204)
    expect(await getStatus(pair.accessToken)).toBe(401)
    expectRefused(await refresh(pair.refreshToken))
    expectProblem(await logout(), { status: 401, code: 'unauthenticated' })
    const rows = await app.sql(
      `SELECT actor_id FROM audit_log WHERE tenant_id = $1 AND action = 'authn_token_revoked'`,
      [user.tenantId],
    )
    expect(rows).toEqual([{ actor_id: user.userId }])
  })
})

describe('a user of two tenants', () => {
  it('signs in to the one that he names, else to the one that he has been in for longest', async () => {
    const host = await TestUser.register(app)
    await join(user, host.tenantId, 'member')
    expect((await login(user.email)).json()).toMatchObject({ tenant: { id: user.tenantId }, role: 'owner' })
    expect((await login(user.email, host.tenantId)).json()).toMatchObject({
      user: { id: user.userId },
      tenant: { id: host.tenantId },
      role: 'member',
    })
  })

  it('stays in a tenant when he refreshes there, and sees its runs only', async () => {
    const host = await TestUser.register(app)
    await join(user, host.tenantId, 'viewer')
    const [own, hosted] = [await user.run({ task: 'Mine.' }), await host.run({ task: 'Theirs.' })]
    const { refreshToken } = (await login(user.email, host.tenantId)).json()
    const pair = (await refresh(refreshToken)).json()
    expect(pair).toMatchObject({ tenant: { id: host.tenantId }, role: 'viewer' })
    const headers = { authorization: `Bearer ${pair.accessToken}` }
    expect((await app.inject({ url: `/v1/runs/${hosted.json().id}`, headers })).statusCode).toBe(200)
    const foreign = await app.inject({ url: `/v1/runs/${own.json().id}`, headers })
    expectProblem(foreign, { status: 404, code: 'not_found' })
  })
})

describe('the hundred-and-first sign-in', () => {
  it('ends the oldest session at once, in whichever team it was, and no other', async () => {
    const [oldest, second] = [user.accessToken, (await login(user.email)).json().accessToken]
    expect([await getStatus(oldest), await getStatus(second)]).toEqual([200, 200])
    for (let count = 2; count < 100; count++) await login(user.email)
    expect(await getStatus(oldest)).toBe(200)
    const newest = (await login(user.email)).json().accessToken
    expect([await getStatus(oldest), await getStatus(second), await getStatus(newest)]).toEqual([401, 200, 200])
  })
})
