import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const PREFIX = 'tnr_'

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

function expectRefused(response: Awaited<ReturnType<typeof refresh>>): void {
  expectProblem(response, { status: 401, code: 'unauthenticated', instance: '/v1/auth/refresh' })
}

async function join(member: TestUser, tenantId: string, role: string): Promise<void> {
  await app.sql('INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())', [
    tenantId,
    member.userId,
    role,
  ])
}

describe('a refresh token', () => {
  it('works for one of ten who use it at once, and the session ends, for it is in two hands', async () => {
    const responses = await Promise.all(Array.from({ length: 10 }, () => refresh(user.refreshToken)))
    const won = responses.filter(({ statusCode }) => statusCode === 200)
    expect(won).toHaveLength(1)
    expect(responses.filter(({ statusCode }) => statusCode === 401)).toHaveLength(9)
    expectRefused(await refresh(won[0]?.json().refreshToken))
  })

  it('is worth nothing when it is readdressed to another tenant, and that ends no session', async () => {
    const other = await TestUser.register(app)
    const bytes = Buffer.from(user.refreshToken.slice(PREFIX.length), 'base64url')
    Buffer.from(other.tenantId.replaceAll('-', ''), 'hex').copy(bytes)
    expectRefused(await refresh(PREFIX + bytes.toString('base64url')))
    expect((await refresh(user.refreshToken)).statusCode).toBe(200)
    expect((await refresh(other.refreshToken)).statusCode).toBe(200)
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

  it('is refused once its user is no member any more', async () => {
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

  it('ends its own session when it comes twice, and no other', async () => {
    const elsewhere = (await login(user.email)).json()
    expect((await refresh(user.refreshToken)).statusCode).toBe(200)
    expectRefused(await refresh(user.refreshToken))
    expect((await refresh(elsewhere.refreshToken)).statusCode).toBe(200)
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
