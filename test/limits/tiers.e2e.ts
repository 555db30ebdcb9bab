import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { DEFAULT_LIMITS } from '../support/limit-settings.js'
import { expectProblem } from '../support/problem.js'
import { expectLimits, expectTooMany, expectUnlimited } from '../support/rate-limits.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const { RATE_LIMIT_ANONYMOUS_PER_MINUTE, RATE_LIMIT_AUTHENTICATED_PER_MINUTE, RATE_LIMIT_ADMIN_PER_MINUTE } =
  DEFAULT_LIMITS
const RUN = '/v1/runs/0190f3b4-0000-7000-8000-000000000000'

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({
    env: {
      RATE_LIMIT_ANONYMOUS_PER_MINUTE: String(RATE_LIMIT_ANONYMOUS_PER_MINUTE),
      RATE_LIMIT_AUTHENTICATED_PER_MINUTE: String(RATE_LIMIT_AUTHENTICATED_PER_MINUTE),
      RATE_LIMIT_ADMIN_PER_MINUTE: String(RATE_LIMIT_ADMIN_PER_MINUTE),
    },
  })
})
afterAll(async () => app[Symbol.asyncDispose]())

/** A token of a new sign-in, which names the role that the user has by now. */
async function signIn(user: TestUser): Promise<string> {
  const payload = { email: user.email, password: PASSWORD }
  const response = await app.inject({ method: 'POST', url: '/v1/auth/login', payload, remoteAddress: '198.51.100.9' })
  return response.json().accessToken
}

async function asRole(role: string): Promise<{ user: TestUser; token: string }> {
  const user = await TestUser.register(app)
  await app.sql('UPDATE memberships SET role = $2 WHERE user_id = $1', [user.userId, role])
  return { user, token: await signIn(user) }
}

function get(url: string, token: string | undefined, options: InjectOptions = {}): Promise<LightMyRequestResponse> {
  return app.inject({ url, ...options, headers: { ...(token && { authorization: `Bearer ${token}` }) } })
}

async function repeat(times: number, request: () => Promise<LightMyRequestResponse>): Promise<number[]> {
  const statuses: number[] = []
  for (let index = 0; index < times; index += 1) statuses.push((await request()).statusCode)
  return statuses
}

describe('requests without credentials', () => {
  it('are 60 a minute from one address, and do not touch another', async () => {
    const ask = (remoteAddress: string) => get('/v1/runs', undefined, { remoteAddress })
    const first = await ask('203.0.113.1')
    expectProblem(first, { status: 401, code: 'unauthenticated', instance: '/v1/runs' })
    expectLimits(first, { name: 'anonymous', quota: 60, remaining: 59 })
    expect(new Set(await repeat(59, () => ask('203.0.113.1')))).toEqual(new Set([401]))
    const refused = await ask('203.0.113.1')
    expectTooMany(refused, '/v1/runs')
    expectLimits(refused, { name: 'anonymous', quota: 60, remaining: 0 })
    expectLimits(await ask('203.0.113.2'), { name: 'anonymous', quota: 60, remaining: 59 })
  })

  it('are counted whatever they bring in place of credentials', async () => {
    const remoteAddress = '203.0.113.3'
    const forged = Array.from({ length: 60 }, (_, index) => `a.b${index}.c`)
    for (const token of forged) expect((await get('/v1/runs', token, { remoteAddress })).statusCode).toBe(401)
    expectTooMany(await get('/v1/runs', 'another', { remoteAddress }), '/v1/runs')
    expectTooMany(await app.inject({ url: '/v1/agents', remoteAddress }), '/v1/agents')
  })

  it('are counted as one client whatever the method, query or spelling of the path', async () => {
    const remoteAddress = '203.0.113.4'
    const forms: InjectOptions[] = [
      { method: 'HEAD', url: '/v1/runs' },
      { url: '/v1/runs?limit=1' },
      { url: '/v1/%72uns' },
      { url: '/v1/runs?a=1#b' },
      { method: 'HEAD', url: '/v1/runs?x=2' },
    ]
    for (const [index, form] of forms.entries()) {
      const response = await app.inject({ ...form, remoteAddress })
      expectLimits(response, { name: 'anonymous', quota: 60, remaining: 59 - index })
    }
  })

  it('are counted by /64 over IPv6, and as IPv4 where that is mapped', async () => {
    const remainingFrom = async (remoteAddress: string): Promise<unknown> =>
      (await get('/v1/runs', undefined, { remoteAddress })).headers['x-ratelimit-remaining']
    expect(await remainingFrom('2001:db8:1:2::1')).toBe('59')
    expect(await remainingFrom('2001:db8:1:2:ffff::9')).toBe('58')
    expect(await remainingFrom('2001:db8:1:3::1')).toBe('59')
    expect(await remainingFrom('203.0.113.5')).toBe('59')
    expect(await remainingFrom('::ffff:203.0.113.5')).toBe('58')
  })
})

describe('requests with credentials', () => {
  it.each(['member', 'viewer'])('are 300 a minute for a %s, over all sessions and addresses', async (role) => {
    const { user, token } = await asRole(role)
    const first = await get('/v1/agents', token)
    expect(first.statusCode).toBe(200)
    expectLimits(first, { name: 'authenticated', quota: 300, remaining: 299 })
    const other = await signIn(user)
    const statuses = await repeat(299, () => get('/v1/agents', other, { remoteAddress: '203.0.113.6' }))
    expect(new Set(statuses)).toEqual(new Set([200]))
    for (const one of [token, other]) expectTooMany(await get('/v1/agents', one), '/v1/agents')
    // Whoever is over his limit takes nothing from those who share his address.
    expect((await asRole(role).then(({ token: others }) => get('/v1/agents', others))).statusCode).toBe(200)
  })

  it.each(['owner', 'admin'])('are 1000 a minute for an %s', async (role) => {
    const { token } = await asRole(role)
    expectLimits(await get('/v1/agents', token), { name: 'admin', quota: 1000, remaining: 999 })
    expect(new Set(await repeat(999, () => get('/v1/agents', token)))).toEqual(new Set([200]))
    expectTooMany(await get('/v1/agents', token), '/v1/agents')
  })

  it('tell where the caller stands whatever the answer: 404, 403, 400', async () => {
    const { token } = await asRole('viewer')
    const authenticated = (remaining: number) => ({ name: 'authenticated', quota: 300, remaining })
    const missing = await get(RUN, token)
    expectProblem(missing, { status: 404, code: 'not_found', instance: RUN })
    expectLimits(missing, authenticated(299))
    const invalid = await get('/v1/runs?limit=0', token)
    expectProblem(invalid, { status: 400, code: 'validation_failed', instance: '/v1/runs' })
    expectLimits(invalid, authenticated(298))
    const url = '/v1/agents/developer/run'
    const forbidden = await get(url, token, { method: 'POST', payload: { task: 'Hello.' } })
    expectProblem(forbidden, { status: 403, code: 'forbidden', instance: url })
    // What a client was never going to be allowed is a request as well.
    expect(forbidden.headers['ratelimit-policy']).toContain('"authenticated";q=300;w=60')
    expect(forbidden.headers['x-ratelimit-limit']).toBeDefined()
  })
})

describe('what is never limited', () => {
  it.each(['/health/liveness', '/health/readiness', '/metrics'])(
    '%s answers an address that has used up every limit, and says nothing of limits',
    async (url) => {
      const remoteAddress = '203.0.113.7'
      await repeat(61, () => get('/v1/runs', undefined, { remoteAddress }))
      const statuses = await repeat(150, () => app.inject({ url, remoteAddress }))
      expect(new Set(statuses)).toEqual(new Set([200]))
      expectUnlimited(await app.inject({ url, remoteAddress }))
    },
  )
})
