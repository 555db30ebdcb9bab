import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { problemSchema } from '#platform/http/problem.js'
import { rawHttp } from '../support/raw-http.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

/** In a run of the only tenant: whoever sees it has come past the guard. */
const SECRET = 'the-secret-of-the-tenant'

let app: TestApp
let baseUrl: URL
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  baseUrl = new URL(await app.listen())
  user = await TestUser.register(app)
  await user.run({ task: SECRET })
})
afterAll(() => app[Symbol.asyncDispose]())

type Answer = Awaited<ReturnType<typeof rawHttp>>

/** Sends a request line and headers as they are. */
const send = (line: string, headers: string[] = ['Host: x'], body = ''): Promise<Answer> =>
  rawHttp(baseUrl, [line, ...headers, 'Connection: close', '', body].join('\r\n'))

/** Asserts that this is a problem of one of these statuses, and tells nothing. */
function expectRefused({ status, headers, body }: Answer, statuses: number | readonly number[]): void {
  expect([[statuses].flat().includes(status) ? 'as expected' : status, body]).toEqual([
    'as expected',
    expect.not.stringContaining(SECRET),
  ])
  expect(headers['content-type']).toBe('application/problem+json')
  expect(headers['content-security-policy'] ?? 'a broken request').toMatch(/default-src 'none'|a broken request/)
}

describe('without credentials, a protected route', () => {
  it.each([
    // The same route in other words: the guard stands behind the router, so it is asked whatever the words.
    ['/v1/%72uns', 401],
    ['/%76%31/%72%75%6e%73', 401],
    ['/v1/runs?', 401],
    ['/v1/runs?limit=1&limit=2', 401],
    ['/v1/runs#fragment', 401],
    ['/v1/runs/count', 401],
    ['/v1/runs/coun%74', 401],
    ['/v1/runs/..', 401],
    ['/v1/runs/%2e%2e', 401],
    ['/v1/runs/%2F', 401],
    ['/v1/runs/%00', 401],
    ['/v1/runs/..%2fauth%2fme', 401],
    ['/v1/runs/x;jsessionid=1', 401],
    // Words for no route.
    ['/%61dmin', 404],
    ['//v1/runs', 404],
    ['/v1//runs', 404],
    ['///v1///runs', 404],
    ['/./v1/runs', 404],
    ['/v1/./runs', 404],
    ['/health/../v1/runs', 404],
    ['/docs/../v1/runs', 404],
    ['/docs/%2e%2e/v1/runs', 404],
    ['/docs/..%2f..%2f..%2fetc%2fpasswd', 404],
    ['/docs/....//....//etc/passwd', 404],
    ['/v1/runs/', 404],
    ['/v1/runs//', 404],
    ['/v1/runs/count/', 404],
    ['/V1/RUNS', 404],
    ['/v1/Runs', 404],
    ['/v1/%52UNS', 404],
    ['/v1/runs;', 404],
    ['/v1/runs;jsessionid=1', 404],
    ['/v1;/runs', 404],
    ['/v1/runs/..;/runs', 404],
    ['/;/v1/runs', 404],
    ['/v1%2Fruns', 404],
    ['/v1%2fruns', 404],
    ['/v1/runs%2F', 404],
    ['/v1/runs%00', 404],
    ['/v1/runs%20', 404],
    ['/v1/runs%09', 404],
    ['/v1/runs%0d%0aX-Evil:%201', 404],
    ['/v1/runs.json', 404],
    ['/v1/%2572uns', 404],
    ['/v1\\runs', 404],
    ['/v1/%5cruns', 404],
    // Bytes that are no UTF-8, and escapes that are none.
    ['/v1/%c0%afruns', 400],
    ['/v1/%c1%b2uns', 400],
    ['/v1/%ff', 400],
    ['/v1/%u0072uns', 400],
    ['/v1/runs%', 400],
    // Other forms of a target.
    ['http://x/v1/runs', 401],
    ['HTTP://evil.example/v1/runs', 401],
    ['http://x//v1/runs', 404],
    ['http://x/health/../v1/runs', 404],
    ['v1/runs', [400, 401, 404]],
    ['*v1/runs', [400, 401, 404]],
    ['@evil.example/v1/runs', [400, 401, 404]],
    ['ftp://x/v1/runs', [400, 404]],
    ['http:/v1/runs', [400, 404]],
  ])('is not reached by GET %s', async (target, statuses) => {
    expectRefused(await send(`GET ${target} HTTP/1.1`), statuses)
  })

  it.each([
    ['HEAD /v1/runs', 401],
    ['HEAD /v1/auth/me', 401],
    ['HEAD /v1/agents/developer/run', 405],
    ['OPTIONS /v1/runs', 405],
    ['OPTIONS *', [400, 404, 405]],
    ['TRACE /v1/runs', [404, 405]],
    ['DELETE /v1/runs', 405],
    ['PROPFIND /v1/runs', [404, 405]],
    ['QUERY /v1/runs', [404, 405]],
    ['get /v1/runs', 400],
    ['GETT /v1/runs', 400],
    ['PRI *', 400],
    ['POST /v1/agents/develope%72/run', 401],
    ['POST /v1/agents//run', [401, 404]],
  ])('is not reached by %s', async (line, statuses) => {
    const answer = await send(`${line} HTTP/1.1`)
    if (line.startsWith('HEAD')) expect([[statuses].flat().includes(answer.status), answer.body]).toEqual([true, ''])
    else expectRefused(answer, statuses)
  })

  it.each([
    ['X-HTTP-Method-Override: GET', 'POST /v1/runs', 405],
    ['X-HTTP-Method: GET', 'POST /v1/runs', 405],
    ['X-Method-Override: GET', 'POST /v1/runs', 405],
    ['X-HTTP-Method-Override: POST', 'GET /v1/auth/login', 405],
    ['X-Any: 1', 'POST /v1/runs?_method=GET', 405],
    ['X-Original-URL: /health/liveness', 'GET /v1/runs', 401],
    ['X-Rewrite-URL: /health/liveness', 'GET /v1/runs', 401],
    ['X-Forwarded-Prefix: /health', 'GET /v1/runs', 401],
    ['X-Forwarded-For: 127.0.0.1', 'GET /v1/runs', 401],
    ['X-Forwarded-Host: localhost', 'GET /v1/runs', 401],
    ['X-Middleware-Subrequest: 1', 'GET /v1/runs', 401],
    ['Accept-Version: 1.0.0', 'GET /v1/runs', [401, 404]],
    ['Upgrade: websocket\r\nConnection: Upgrade', 'GET /v1/runs', [400, 401]],
    ['Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade', 'GET /v1/runs', [400, 401]],
  ])('is not reached with %s on %s', async (header, line, statuses) => {
    expectRefused(await send(`${line} HTTP/1.1`, ['Host: x', header]), statuses)
  })

  it.each(['X-Original-URL: /v1/runs', 'X-Rewrite-URL: /v1/runs', 'X-Forwarded-Uri: /v1/runs'])(
    'is not reached over a public one with %s',
    async (header) => {
      const { status, body } = await send('GET /health/liveness HTTP/1.1', ['Host: x', header])
      expect([status, JSON.parse(body)]).toEqual([200, { status: 'ok' }])
    },
  )
})

describe('with credentials, a route in other words', () => {
  it('is the same route, and no other', async () => {
    const headers = ['Host: x', `Authorization: Bearer ${user.accessToken}`]
    for (const target of ['/v1/runs', '/v1/%72uns', 'http://elsewhere.example/v1/runs']) {
      const { status, body } = await send(`GET ${target} HTTP/1.1`, headers)
      expect([target, status, body]).toEqual([target, 200, expect.stringContaining(SECRET)])
    }
    for (const target of ['/v1/runs/', '//v1/runs', '/V1/runs', '/v1/runs;x', '/health/../v1/runs']) {
      expectRefused(await send(`GET ${target} HTTP/1.1`, headers), 404)
    }
  })

  it('does what its method says, whatever another header says', async () => {
    const headers = ['Host: x', `Authorization: Bearer ${user.accessToken}`, 'X-HTTP-Method-Override: DELETE']
    expect((await send('GET /v1/runs HTTP/1.1', headers)).status).toBe(200)
    expect((await send('GET /v1/runs?limit=1 HTTP/1.1', headers)).body).toContain(SECRET)
  })
})

describe('headers that two readers could read in two ways', () => {
  const token = (): string => `Authorization: Bearer ${user.accessToken}`

  it.each([
    ['two hosts', () => ['Host: x', 'Host: y']],
    ['the same host twice', () => ['Host: x', 'Host: x']],
    ['two hosts, written apart', () => ['Host: x', 'HOST: y']],
    ['two authorisations, the second valid', () => ['Host: x', 'Authorization: Bearer a.b.c', token()]],
    ['two authorisations, the first valid', () => ['Host: x', token(), 'authorization: Bearer a.b.c']],
    ['a header without a colon', () => ['Host: x', token(), 'Nonsense']],
    ['a blank before the colon', () => ['Host: x', 'Authorization : Bearer x']],
    ['a folded header', () => ['Host: x', 'X-Folded: a', ' b', token()]],
    ['a NUL', () => ['Host: x', token(), 'X-A: a\u0000b']],
    ['a bell', () => ['Host: x', token(), 'X-A: a\u0007b']],
    ['a bare CR', () => ['Host: x', token(), 'X-A: a\rX-B: b']],
    ['a control character in a name', () => ['Host: x', token(), 'X-\u0001A: b']],
    ['an empty name', () => ['Host: x', token(), ': b']],
  ])('are refused: %s', async (_, headers) => {
    expectRefused(await send('GET /v1/runs HTTP/1.1', headers()), 400)
  })

  it('are refused when they are too large', async () => {
    expectRefused(await send('GET /v1/runs HTTP/1.1', ['Host: x', `X-Big: ${'a'.repeat(20_000)}`]), 431)
    expectRefused(await send(`GET /v1/runs?${'a'.repeat(20_000)} HTTP/1.1`), 431)
    const many = Array.from({ length: 900 }, (_, index) => `X-Header-Number-${index}: a`)
    expectRefused(await send('GET /v1/runs HTTP/1.1', ['Host: x', ...many]), 431)
  })

  it.each([
    ['a blank in the target', 'GET /v1/runs /health/liveness HTTP/1.1'],
    ['a tab in the target', 'GET /v1/\truns HTTP/1.1'],
    ['a control character in the target', 'GET /v1/\u0001runs HTTP/1.1'],
    ['no version', 'GET /v1/runs'],
    ['HTTP/2 in words', 'GET /v1/runs HTTP/2.0'],
  ])('are refused with their request line: %s', async (_, line) => {
    const { status, body } = await send(line)
    expect([status >= 400 && status < 500, body]).toEqual([true, expect.not.stringContaining(SECRET)])
    expect(problemSchema.parse(JSON.parse(body)).status).toBe(status)
  })
})

describe('bodies that two readers could end in two places', () => {
  /** What an attacker hides in the body, to be read as a request of its own. */
  const HIDDEN = 'GET /health/liveness HTTP/1.1\r\nHost: hidden\r\n\r\n'
  const login = (headers: string[], body: string): Promise<Answer> =>
    rawHttp(
      baseUrl,
      ['POST /v1/auth/login HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...headers, '', body].join('\r\n'),
    )

  it.each([
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${HIDDEN}`],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${HIDDEN}`],
    ['two lengths', ['Content-Length: 0', `Content-Length: ${HIDDEN.length}`], HIDDEN],
    ['the same length twice', ['Content-Length: 2', 'Content-Length: 2'], '{}'],
    ['two lengths in one', [`Content-Length: 0, ${HIDDEN.length}`], HIDDEN],
    ['a length with a sign', ['Content-Length: +2'], '{}'],
    ['a negative length', ['Content-Length: -1'], HIDDEN],
    ['a hexadecimal length', ['Content-Length: 0x2'], '{}'],
    ['a length of words', ['Content-Length: two'], '{}'],
    ['a length beyond every number', ['Content-Length: 99999999999999999999999'], '{}'],
    ['an unknown coding', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${HIDDEN}`],
    ['chunks that come first', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${HIDDEN}`],
    ['chunks with a blank before the colon', ['Transfer-Encoding : chunked'], `0\r\n\r\n${HIDDEN}`],
    ['a chunk of no size', ['Transfer-Encoding: chunked'], `zz\r\n{}\r\n0\r\n\r\n${HIDDEN}`],
    ['a chunk beyond every number', ['Transfer-Encoding: chunked'], `fffffffffffffffff\r\n{}`],
    ['a chunk that is longer than it says', ['Transfer-Encoding: chunked'], `1\r\n{}\r\n0\r\n\r\n${HIDDEN}`],
  ])('are refused, and what they hide is not done: %s', async (_, headers, body) => {
    const answer = await login(headers, body)
    expectRefused(answer, [400, 413])
    expect(answer.body).not.toContain('HTTP/1.1 200')
  })
})
