import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { rawHttp } from '../support/raw-http.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const STRONG_TAG = /^"[\x21\x23-\x7e]{20,60}"$/
const TENANT_DATA = 'private, no-cache'

let app: TestApp
let user: TestUser
let runUrl: string

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
  const { id } = (await user.run({ task: 'Say it once.', context: 'It is said at length. '.repeat(100) })).json()
  runUrl = `/v1/runs/${id}`
})
afterAll(() => app[Symbol.asyncDispose]())

const get = (url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
  user.request({ url, headers })
const tagOf = async (url: string, headers: Record<string, string> = {}): Promise<string> =>
  String((await get(url, headers)).headers.etag)

describe('an ETag', () => {
  it.each([
    ['a run', () => runUrl],
    ['a list', () => '/v1/runs'],
    ['agents', () => '/v1/agents'],
    ['the caller', () => '/v1/auth/me'],
    ['liveness', () => '/health/liveness'],
    ['metrics', () => '/metrics'],
    ['the OpenAPI document', () => '/openapi.json'],
    ['a file of /docs', () => '/docs/swagger-ui.css'],
  ])('is strong, on %s', async (_, url) => {
    const response = await get(url())
    expect([response.statusCode, response.headers.etag]).toEqual([200, expect.stringMatching(STRONG_TAG)])
  })

  it('stays while the answer does, and changes with it', async () => {
    const before = await tagOf('/v1/runs')
    expect(await tagOf('/v1/runs')).toBe(before)
    await user.run({ task: 'Something new.' })
    expect(await tagOf('/v1/runs')).not.toBe(before)
  })

  it('differs from coding to coding', async () => {
    const codings = ['identity', 'gzip', 'br']
    const tags = await Promise.all(codings.map((coding) => tagOf(runUrl, { 'accept-encoding': coding })))
    expect(new Set(tags).size).toBe(3)
  })

  it('is on nothing but a successful read', async () => {
    const answers = await Promise.all([
      get('/v1/runs/0190f3b4-0000-7000-8000-000000000000'),
      app.inject({ url: '/v1/runs' }),
      get('/v1/runs?limit=0'),
      user.run({ task: 'No tag.' }),
      app.inject({ method: 'DELETE', url: '/v1/runs' }),
    ])
    expect(answers.map(({ statusCode, headers }) => [statusCode, headers.etag])).toEqual(
      [404, 401, 400, 200, 405].map((status) => [status, undefined]),
    )
  })
})

describe('If-None-Match', () => {
  it.each(['identity', 'gzip', 'br', 'gzip, deflate, br'])(
    'with the tag that was given out for %s is 304 without a body, with the headers that a cache updates',
    async (coding) => {
      const headers = { 'accept-encoding': coding }
      const full = await get(runUrl, headers)
      const response = await get(runUrl, { ...headers, 'if-none-match': String(full.headers.etag) })
      expect([response.statusCode, response.body]).toEqual([304, ''])
      for (const name of ['etag', 'cache-control', 'vary', 'content-security-policy', 'x-content-type-options']) {
        expect([name, response.headers[name]]).toEqual([name, full.headers[name]])
      }
      expect(response.headers.date).toBeDefined()
      for (const name of ['content-type', 'content-length', 'content-encoding']) {
        expect([name, response.headers[name]]).toEqual([name, undefined])
      }
    },
  )

  it('compares weakly, in a list, and takes a star', async () => {
    const tag = await tagOf(runUrl)
    for (const sent of [`W/${tag}`, `"other", ${tag}`, '*']) {
      const response = await get(runUrl, { 'if-none-match': sent })
      expect([sent, response.statusCode, response.headers.etag]).toEqual([sent, 304, tag])
    }
  })

  it('with another tag is answered in full', async () => {
    for (const sent of ['"other"', 'nonsense', '', `${(await tagOf(runUrl)).slice(0, -2)}"`]) {
      expect((await get(runUrl, { 'if-none-match': sent })).statusCode).toBe(200)
    }
  })

  it('with the tag of a coding that this client cannot read is answered in full', async () => {
    const tag = await tagOf(runUrl, { 'accept-encoding': 'br' })
    expect((await get(runUrl, { 'accept-encoding': 'gzip', 'if-none-match': tag })).statusCode).toBe(200)
    expect((await get(runUrl, { 'if-none-match': tag })).statusCode).toBe(200)
  })

  it('never spares the caller the guard, nor makes an error a 304', async () => {
    const tag = await tagOf(runUrl)
    const stranger = await TestUser.register(app)
    const headers = { 'if-none-match': `*, ${tag}` }
    const answers = await Promise.all([
      app.inject({ url: runUrl, headers: { 'if-none-match': tag } }),
      app.inject({ url: runUrl, headers: { 'if-none-match': '*' } }),
      stranger.request({ url: runUrl, headers: { 'if-none-match': tag } }),
      stranger.request({ url: runUrl, headers: { 'if-none-match': '*' } }),
      get('/v1/runs?limit=0', headers),
    ])
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 401, 404, 404, 400])
  })

  it('does not keep a POST from being done', async () => {
    const payload = { task: 'Do it.' }
    const url = '/v1/agents/developer/run'
    const response = await user.request({ method: 'POST', url, payload, headers: { 'if-none-match': '*' } })
    expect(response.statusCode).toBe(200)
  })
})

/** What tells one answer from the next, whatever was asked for. */
const OF_ONE_ANSWER = /^(date|x-request-id|x-cache|(x-)?ratelimit.*)$/

describe('HEAD', () => {
  it.each([
    ['as it is', {}],
    ['gzip', { 'accept-encoding': 'gzip' }],
    ['brotli', { 'accept-encoding': 'br' }],
  ])('has the headers of GET and no body: %s', async (_, headers) => {
    for (const url of [runUrl, '/v1/agents', '/openapi.json', '/docs/swagger-ui-bundle.js', '/health/liveness']) {
      const full = await get(url, headers)
      const head = await user.request({ method: 'HEAD', url, headers })
      const lasting = ({ headers: all }: LightMyRequestResponse) =>
        Object.entries(all).filter(([name]) => !OF_ONE_ANSWER.test(name))
      expect([url, head.statusCode, head.body, lasting(head)]).toEqual([url, 200, '', lasting(full)])
    }
  })

  it('is 304, too', async () => {
    for (const sent of [await tagOf(runUrl), '*']) {
      const response = await user.request({ method: 'HEAD', url: runUrl, headers: { 'if-none-match': sent } })
      expect([response.statusCode, response.body, response.headers['content-type']]).toEqual([304, '', undefined])
    }
  })

  it('leaves the connection usable: neither it nor a 304 sends a byte of a body', async () => {
    const baseUrl = new URL(await app.listen())
    const tag = await tagOf('/health/liveness')
    const { status, body } = await rawHttp(
      baseUrl,
      `HEAD /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n` +
        `GET /health/liveness HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${tag}\r\n\r\n` +
        'GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(status).toBe(200)
    const rest = /^HTTP\/1\.1 304 [\s\S]*?\r\n\r\nHTTP\/1\.1 404 /.exec(body)
    expect({ body, isNext: rest !== null }).toMatchObject({ isNext: true })
  })
})

describe('Cache-Control', () => {
  it.each([
    ['tenant data', () => runUrl, TENANT_DATA, 'Authorization, Accept-Encoding'],
    ['a list of tenant data', () => '/v1/runs', TENANT_DATA, 'Authorization, Accept-Encoding'],
    ['what is alike for all who may see it', () => '/v1/agents', TENANT_DATA, 'Authorization, Accept-Encoding'],
    ['the caller', () => '/v1/auth/me', TENANT_DATA, 'Authorization, Accept-Encoding'],
    ['liveness', () => '/health/liveness', 'no-cache', 'Accept-Encoding'],
    ['the OpenAPI document', () => '/openapi.json', 'no-cache', 'Accept-Encoding'],
    ['a file of /docs', () => '/docs/swagger-ui.css', 'public, max-age=3600', 'Accept-Encoding'],
    ['a page with a nonce', () => '/docs', 'no-store', 'Accept-Encoding'],
  ])('of %s', async (_, url, cacheControl, vary) => {
    const { headers } = await get(url())
    expect([headers['cache-control'], headers.vary]).toEqual([cacheControl, vary])
  })

  it('keeps every problem and every write from being stored', async () => {
    const answers = await Promise.all([
      app.inject({ url: '/v1/runs' }),
      app.inject({ url: '/nowhere' }),
      app.inject({ url: '/v1/agents/%zz' }),
      app.inject({ method: 'DELETE', url: '/v1/runs' }),
      get('/v1/runs/0190f3b4-0000-7000-8000-000000000000'),
      user.run({ task: 'Written.' }),
      user.run({}),
      app.inject({ method: 'POST', url: '/v1/auth/refresh', payload: { refreshToken: user.refreshToken } }),
    ])
    expect(answers.map(({ statusCode, headers }) => [statusCode, headers['cache-control']])).toEqual(
      [401, 404, 400, 405, 404, 200, 400, 200].map((status) => [status, 'no-store']),
    )
  })
})
