import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { rawHttp } from '../support/raw-http.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const API_POLICY =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; report-uri /csp-reports"
const HEADERS: Record<string, string | undefined> = {
  'content-security-policy': API_POLICY,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
  // Development serves plain HTTP.
  'reporting-endpoints': undefined,
  'strict-transport-security': undefined,
  'x-powered-by': undefined,
  server: undefined,
}
const DOCS_POLICY =
  /^default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'nonce-([\w-]{24})'; style-src 'nonce-\1'; img-src 'self' data:; connect-src 'self'(; upgrade-insecure-requests)?; report-uri \/csp-reports(; report-to csp)?$/
const PRODUCTION = { NODE_ENV: 'production', ARGON2_MEMORY_KIB: '19456', ARGON2_TIME_COST: '2' }

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
})
afterAll(() => app[Symbol.asyncDispose]())

const answers: [string, () => Promise<LightMyRequestResponse>][] = [
  ['a success', () => user.request({ url: '/v1/agents' })],
  [
    'a refused sign-in',
    () => app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email: user.email, password: 'x' } }),
  ],
  ['a 204', () => app.inject({ method: 'POST', url: '/csp-reports', payload: [] })],
  ['a 304', () => user.request({ url: '/v1/agents', headers: { 'if-none-match': '*' } })],
  ['a HEAD', () => user.request({ method: 'HEAD', url: '/v1/agents' })],
  ['a 400', () => user.request({ url: '/v1/runs?limit=0' })],
  ['a 401', () => app.inject({ url: '/v1/runs' })],
  ['a 404 of ours', () => user.request({ url: '/v1/agents/nobody' })],
  ['a 404 of the framework', () => app.inject({ url: '/nowhere' })],
  ['a 405', () => app.inject({ method: 'DELETE', url: '/v1/runs' })],
  ['a 413', () => app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email: 'x'.repeat(300_000) } })],
  [
    'a 415',
    () =>
      app.inject({ method: 'POST', url: '/v1/auth/login', payload: 'x', headers: { 'content-type': 'text/plain' } }),
  ],
  ['an address that cannot be decoded', () => app.inject({ url: '/v1/agents/%zz' })],
  ['an address that is too long for a route', () => app.inject({ url: `/v1/agents/${'a'.repeat(5000)}` })],
  ['liveness', () => app.inject({ url: '/health/liveness' })],
  ['metrics', () => app.inject({ url: '/metrics' })],
  ['the OpenAPI document', () => app.inject({ url: '/openapi.json' })],
  ['a file of /docs', () => app.inject({ url: '/docs/swagger-ui-bundle.js' })],
]

describe('every answer', () => {
  it.each(answers)('has each header, and none that tells what to attack: %s', async (name, answer) => {
    const { statusCode, headers } = await answer()
    const status = /^a (\d{3})\b/.exec(name)?.[1]
    if (status !== undefined) expect(`${statusCode}`).toBe(status)
    for (const [name, value] of Object.entries(HEADERS)) expect([name, headers[name]]).toEqual([name, value])
    const features = String(headers['permissions-policy']).split(', ')
    for (const feature of features) expect(feature).toMatch(/^[a-z-]+=\(\)$/)
    expect(features).toEqual(expect.arrayContaining(['camera=()', 'geolocation=()', 'microphone=()', 'payment=()']))
  })

  it('has them on the wire, once each', async () => {
    const baseUrl = new URL(await app.listen())
    for (const path of ['/health/liveness', '/nowhere']) {
      const { headers } = await rawHttp(baseUrl, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      for (const [name, value] of Object.entries(HEADERS)) expect([name, headers[name]]).toEqual([name, value])
    }
    // HTTP/1.1 without a Host is answered before anything else.
    const { status, headers } = await rawHttp(baseUrl, 'GET /health/liveness HTTP/1.1\r\n\r\n')
    expect([status, headers['content-security-policy']]).toEqual([400, API_POLICY])
  })
})

describe('/docs', () => {
  it('has a policy of its own, whose nonce is on all that runs or styles, and good for one answer', async () => {
    const pages = await Promise.all([app.inject({ url: '/docs' }), app.inject({ url: '/docs' })])
    const nonces = pages.map(({ headers, body }) => {
      const nonce = DOCS_POLICY.exec(String(headers['content-security-policy']))?.[1]
      expect([headers['content-security-policy'], typeof nonce]).toEqual([expect.any(String), 'string'])
      const tags = body.match(/<(script|style|link rel="stylesheet")[^>]*>/g) ?? []
      expect(tags.length).toBe(4)
      for (const tag of tags) expect(tag).toContain(`nonce="${nonce}"`)
      expect(body).not.toMatch(/ (style|on\w+)=/)
      return nonce
    })
    expect(nonces[0]).not.toBe(nonces[1])
    for (const { headers } of pages) expect(headers['x-frame-options']).toBe('DENY')
  })

  it('is found with a slash behind it, too', async () => {
    const response = await app.inject({ url: '/docs/' })
    expect([response.statusCode, response.headers.location]).toEqual([308, '../docs'])
  })

  it.each(['/docs/package.json', '/docs/index.html', '/docs/swagger-ui-bundle.js.map', '/docs/../docs/LICENSE'])(
    'serves no other file of its package: %s',
    async (url) => {
      expect((await app.inject({ url })).statusCode).toBe(404)
    },
  )
})

describe('production', () => {
  it('differs in what needs TLS, and in nothing else', async () => {
    await using production = await TestApp.start({ env: PRODUCTION })
    for (const url of ['/health/liveness', '/nowhere', '/docs']) {
      const [ours, theirs] = await Promise.all([app.inject({ url }), production.inject({ url })])
      const hsts = String(theirs.headers['strict-transport-security'])
      expect(hsts).toMatch(/^max-age=\d+; includeSubDomains$/)
      expect(Number(/\d+/.exec(hsts)?.[0])).toBeGreaterThanOrEqual(365 * 24 * 60 * 60)
      const lasting = ({ headers }: LightMyRequestResponse, policy = String(headers['content-security-policy'])) => ({
        ...headers,
        'content-security-policy': policy
          .replaceAll(/'nonce-[^']+'/g, '')
          .replace(/ upgrade-insecure-requests;|; report-to csp/g, ''),
        'strict-transport-security': undefined,
        'reporting-endpoints': undefined,
        'x-request-id': undefined,
        etag: undefined,
        date: undefined,
      })
      expect(lasting(theirs)).toEqual({ ...lasting(ours), 'content-length': theirs.headers['content-length'] })
    }
    const page = await production.inject({ url: '/docs' })
    expect(page.headers['content-security-policy']).toMatch(
      /; upgrade-insecure-requests; report-uri \/csp-reports; report-to csp$/,
    )
    expect(page.headers['reporting-endpoints']).toBe('csp="/csp-reports"')
  })

  it('asks for no TLS where its operator says that there is none', async () => {
    await using plain = await TestApp.start({ env: { ...PRODUCTION, PUBLIC_URL: 'http://10.0.0.5:3000' } })
    const page = await plain.inject({ url: '/docs' })
    expect(page.headers['content-security-policy']).toMatch(/; connect-src 'self'; report-uri \/csp-reports$/)
  })
})
