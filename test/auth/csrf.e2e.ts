import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { expectProblem } from '../support/problem.js'
import { TEST_JWT_SECRET, TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const ACCESS = '__Host-temponest-access'
const REFRESH = '__Host-temponest-refresh'
const CSRF = '__Host-temponest-csrf'
const ORIGIN = 'http://localhost:3000'

interface Browser {
  readonly cookies: Record<string, string>
  readonly csrfToken: string
}

let app: TestApp
let user: TestUser
let browser: Browser

beforeAll(async () => {
  app = await TestApp.start()
})
afterAll(async () => app[Symbol.asyncDispose]())

function login(headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  const payload = { email: user.email, password: PASSWORD }
  return app.inject({ method: 'POST', url: '/v1/auth/login?cookie=true', payload, headers })
}

async function openBrowser(): Promise<Browser> {
  const response = await login({ origin: ORIGIN, host: 'localhost:3000' })
  const cookies = Object.fromEntries(response.cookies.map(({ name, value }) => [name, value]))
  return { cookies, csrfToken: response.json().csrfToken }
}

function patch(from: Browser, headers: Record<string, string>): Promise<LightMyRequestResponse> {
  return app.inject({
    method: 'PATCH',
    url: '/v1/auth/me',
    payload: { name: 'Changed' },
    cookies: from.cookies,
    headers: { host: 'localhost:3000', ...headers },
  })
}

beforeAll(async () => {
  user = await TestUser.register(app)
  browser = await openBrowser()
})

describe('a browser session', () => {
  it('is in __Host- cookies that no script reads, and no token is in the answer', async () => {
    const response = await login()
    expect(response.statusCode).toBe(200)
    expect(Object.keys(response.json()).sort()).toEqual(['csrfToken', 'expiresIn', 'role', 'tenant', 'user'])
    const cookies = Object.fromEntries(response.cookies.map((cookie) => [cookie.name, cookie]))
    expect(Object.keys(cookies).sort()).toEqual([ACCESS, CSRF, REFRESH])
    for (const cookie of Object.values(cookies))
      expect(cookie).toMatchObject({ path: '/', secure: true, sameSite: 'Lax' })
    for (const cookie of Object.values(cookies)) expect(cookie).not.toHaveProperty('domain')
    expect([cookies[ACCESS]?.httpOnly, cookies[REFRESH]?.httpOnly, cookies[CSRF]?.httpOnly]).toEqual([
      true,
      true,
      undefined,
    ])
    expect(response.body).not.toContain(String(cookies[ACCESS]?.value))
  })

  it('reads without a CSRF token, and writes with it', async () => {
    const me = await app.inject({ url: '/v1/auth/me', cookies: browser.cookies })
    expect(me.json()).toMatchObject({ user: { id: user.userId } })
    expect((await patch(browser, { 'x-csrf-token': browser.csrfToken })).statusCode).toBe(200)
    expect((await patch(browser, { 'x-csrf-token': browser.csrfToken, origin: ORIGIN })).statusCode).toBe(200)
  })

  it.each<[string, () => Record<string, string>]>([
    ['no token', () => ({})],
    ['an empty token', () => ({ 'x-csrf-token': '' })],
    ['an invented token', () => ({ 'x-csrf-token': 'A'.repeat(43) })],
    ['another origin', () => ({ 'x-csrf-token': browser.csrfToken, origin: 'https://attacker.example' })],
    ['the origin null', () => ({ 'x-csrf-token': browser.csrfToken, origin: 'null' })],
    [
      'an origin that begins like ours',
      () => ({ 'x-csrf-token': browser.csrfToken, origin: `${ORIGIN}.attacker.example` }),
    ],
    ['another port', () => ({ 'x-csrf-token': browser.csrfToken, origin: 'http://localhost:3001' })],
    ['cross-site by Sec-Fetch-Site', () => ({ 'x-csrf-token': browser.csrfToken, 'sec-fetch-site': 'cross-site' })],
    ['same-site by Sec-Fetch-Site', () => ({ 'x-csrf-token': browser.csrfToken, 'sec-fetch-site': 'same-site' })],
  ])('refuses to write with %s', async (_, headersOf) => {
    expectProblem(await patch(browser, headersOf()), { status: 403, code: 'csrf_failed' })
  })

  it('refuses the token of another session, in header and cookie alike', async () => {
    const other = await openBrowser()
    const mixed = { ...browser, cookies: { ...browser.cookies, [CSRF]: other.csrfToken } }
    expectProblem(await patch(mixed, { 'x-csrf-token': other.csrfToken }), { status: 403, code: 'csrf_failed' })
  })

  it('refuses a method that is smuggled past', async () => {
    const response = await app.inject({
      method: 'GET',
      url: '/v1/auth/me?_method=PATCH',
      cookies: browser.cookies,
      headers: { 'x-http-method-override': 'PATCH' },
    })
    expect([response.statusCode, response.json().user.id]).toEqual([200, user.userId])
  })

  it('is not opened for another site', async () => {
    for (const headers of [{ origin: 'https://attacker.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const response = await login(headers)
      expectProblem(response, { status: 403, code: 'csrf_failed' })
      expect(response.cookies).toEqual([])
    }
  })

  it('is refreshed by its cookie with the CSRF token, and by nothing less', async () => {
    const own = await openBrowser()
    const refresh = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/v1/auth/refresh', payload: {}, cookies: own.cookies, headers })
    expectProblem(await refresh({}), { status: 403, code: 'csrf_failed' })
    const response = await refresh({ 'x-csrf-token': own.csrfToken })
    expect([response.statusCode, response.json().csrfToken]).toEqual([200, own.csrfToken])
    expect(response.cookies.map(({ name }) => name).sort()).toEqual([ACCESS, CSRF, REFRESH])
    expect(response.cookies.find(({ name }) => name === REFRESH)?.value).not.toBe(own.cookies[REFRESH])
  })

  it.each([
    ['no body', {}],
    ['an empty body that is said to be JSON', { 'content-type': 'application/json' }],
  ])('is refreshed with %s', async (_, headers: Record<string, string>) => {
    const { cookies, csrfToken } = await openBrowser()
    const response = await app.inject({
      method: 'POST',
      url: '/v1/auth/refresh',
      cookies,
      headers: { 'x-csrf-token': csrfToken, ...headers },
    })
    expect([response.statusCode, response.json().csrfToken]).toEqual([200, csrfToken])
  })

  it('is gone after logout, cookies and all', async () => {
    const own = await openBrowser()
    const response = await app.inject({
      method: 'POST',
      url: '/v1/auth/logout',
      cookies: own.cookies,
      headers: { 'x-csrf-token': own.csrfToken },
    })
    expect(response.statusCode).toBe(204)
    const cleared = response.cookies.map(({ name, value }) => `${name}=${value}`).sort()
    expect(cleared).toEqual([ACCESS, CSRF, REFRESH].map((name) => `${name}=`))
    expect((await app.inject({ url: '/v1/auth/me', cookies: own.cookies })).statusCode).toBe(401)
  })

  it.each<[string, (own: Browser) => Record<string, string>]>([
    ['is not sent any more', ({ cookies }) => ({ [REFRESH]: cookies[REFRESH] ?? '', [CSRF]: cookies[CSRF] ?? '' })],
    ['is not valid any more', ({ cookies }) => ({ ...cookies, [ACCESS]: 'expired' })],
  ])('is ended by its refresh cookie and CSRF token when its access token %s', async (_what, cookiesOf) => {
    const own = await openBrowser()
    const cookies = cookiesOf(own)
    const logout = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/v1/auth/logout', cookies, headers })
    expectProblem(await logout({}), { status: 403, code: 'csrf_failed' })
    expectProblem(await logout({ 'x-csrf-token': own.csrfToken, 'sec-fetch-site': 'cross-site' }), {
      status: 403,
      code: 'csrf_failed',
    })
    expect((await app.inject({ url: '/v1/auth/me', cookies: own.cookies })).statusCode).toBe(200)
    const response = await logout({ 'x-csrf-token': own.csrfToken })
    expect([response.statusCode, response.cookies.map(({ value }) => value).join('')]).toEqual([204, ''])
    expect(response.cookies.map(({ name }) => name).sort()).toEqual(Object.keys(cookies).sort())
    expect((await app.inject({ url: '/v1/auth/me', cookies: own.cookies })).statusCode).toBe(401)
  })

  it('that is over already loses its cookies, and is told', async () => {
    const own = await openBrowser()
    await user.request({ method: 'POST', url: '/v1/auth/logout', payload: { refreshToken: own.cookies[REFRESH] } })
    const headers = { 'x-csrf-token': own.csrfToken }
    const response = await app.inject({ method: 'POST', url: '/v1/auth/logout', cookies: own.cookies, headers })
    expectProblem(response, { status: 401, code: 'unauthenticated' })
    expect(response.cookies.map(({ name, value }) => `${name}=${value}`).sort()).toEqual(
      [ACCESS, CSRF, REFRESH].map((name) => `${name}=`),
    )
  })

  it('goes on through a new JWT_SECRET: the CSRF token that its page has is still good', async () => {
    const own = await openBrowser()
    const { DATABASE_APP_URL } = await import('#platform/database/database.js')
    await using rotated = await TestApp.start({
      database: app.database,
      env: {
        DATABASE_APP_URL: app.nest.get<string>(DATABASE_APP_URL),
        JWT_SECRET: 'another secret for tests that has more than 32 characters',
        JWT_PREVIOUS_SECRETS: TEST_JWT_SECRET,
      },
    })
    const headers = { 'x-csrf-token': own.csrfToken }
    const request = { method: 'PATCH', url: '/v1/auth/me', payload: { name: 'Changed' }, cookies: own.cookies } as const
    expect((await rotated.inject({ ...request, headers })).statusCode).toBe(200)
    const refresh = (on: TestApp) =>
      on.inject({ method: 'POST', url: '/v1/auth/refresh', payload: { refreshToken: own.cookies[REFRESH] } })
    const first = (await refresh(app)).json()
    expect((await refresh(rotated)).json().refreshToken).toBe(first.refreshToken)
  })

  it('does not stand in for a header that is wrong', async () => {
    const headers = { authorization: 'Bearer nonsense' }
    expect((await app.inject({ url: '/v1/auth/me', cookies: browser.cookies, headers })).statusCode).toBe(401)
  })
})

describe('a bearer client', () => {
  it('needs no CSRF token, from whatever origin', async () => {
    const response = await user.request({
      method: 'PATCH',
      url: '/v1/auth/me',
      payload: { name: 'By header' },
      headers: { origin: 'https://elsewhere.example' },
    })
    expect(response.statusCode).toBe(200)
  })

  it('gets 400 for a refresh without any token', async () => {
    const response = await app.inject({ method: 'POST', url: '/v1/auth/refresh', payload: {} })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/refreshToken'] })
  })
})
