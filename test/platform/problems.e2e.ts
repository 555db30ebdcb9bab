import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { problemSchema } from '#platform/http/problem.js'
import { expectProblem } from '../support/problem.js'
import { rawHttp } from '../support/raw-http.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const BODY_LIMIT_BYTES = 256 * 1024

let app: TestApp
let user: TestUser
let baseUrl: URL

beforeAll(async () => {
  app = await TestApp.start()
  baseUrl = new URL(await app.listen())
  user = await TestUser.register(app)
})
afterAll(() => app[Symbol.asyncDispose]())

describe('a body that cannot be taken', () => {
  const register = (payload: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
    app.inject({ method: 'POST', url: '/v1/auth/register', payload, headers })
  const refused = { status: 400, code: 'validation_failed', instance: '/v1/auth/register' }

  it.each([
    ['broken JSON', '{"email":'],
    ['JSON with a trailing comma', '{"email":"a@example.com",}'],
    ['bytes that are no JSON', '\u0000\u0001'],
    ['an empty body', ''],
  ])('is refused: %s', async (_, payload) => {
    expectProblem(await register(payload), refused)
  })

  it('is refused when it is missing altogether', async () => {
    const response = await app.inject({ method: 'POST', url: '/v1/auth/register' })
    expectProblem(response, { ...refused, pointers: [''] })
  })

  it.each([
    ['__proto__', '{"email":"a@example.com","password":"x","__proto__":{"role":"owner"}}'],
    ['a nested __proto__', '{"email":{"__proto__":{}}}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"role":"owner"}}}'],
  ])('is refused for prototype poisoning: %s', async (_, payload) => {
    expectProblem(await register(payload), refused)
    expect(({} as { role?: string }).role).toBeUndefined()
  })

  it.each(['null', '[]', '"text"', '42', 'true'])('is refused when it is JSON but no object: %s', async (payload) => {
    expectProblem(await register(payload), { ...refused, pointers: [''] })
  })

  it('names every unknown key, escaped as JSON Pointers are', async () => {
    const payload = { email: 'a@example.com', password: PASSWORD, isAdmin: true, 'a/b~c': 1 }
    expectProblem(await register(JSON.stringify(payload)), { ...refused, pointers: ['/isAdmin', '/a~1b~0c'] })
  })

  it('names an unknown key deep inside', async () => {
    const response = await user.run({ task: 'x', limits: { maxTokens: 5, maxWishes: 3 } })
    expectProblem(response, { ...refused, instance: '/v1/agents/developer/run', pointers: ['/limits/maxWishes'] })
  })

  it('lists each invalid field once', async () => {
    const payload = JSON.stringify({ email: 'nobody', password: 'Correct-Horse-42', name: '' })
    const { errors } = expectProblem(await register(payload), refused)
    expect(new Set(errors?.map(({ pointer }) => pointer))).toEqual(new Set(['/email', '/name']))
  })

  it('does not repeat what was sent, which may be a password', async () => {
    const payload = JSON.stringify({ email: 'nobody', password: 'hunter2-secret' })
    expect((await register(payload)).body).not.toContain('hunter2')
  })

  it('answers a flood of errors with a bounded list', async () => {
    const keys = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, 1]))
    const { errors } = expectProblem(await register(JSON.stringify(keys)), refused)
    expect(errors?.length).toBe(50)
  })

  it('is 413 above 256 KiB, and not at 256 KiB', async () => {
    const ofSize = (bytes: number): string => `{"email":"${'a'.repeat(bytes - 12)}"}`
    expect(Buffer.byteLength(ofSize(BODY_LIMIT_BYTES))).toBe(BODY_LIMIT_BYTES)
    const expected = { status: 413, code: 'payload_too_large', instance: '/v1/auth/register' }
    expectProblem(await register(ofSize(BODY_LIMIT_BYTES + 1)), expected)
    expectProblem(await register(ofSize(BODY_LIMIT_BYTES)), refused)
  })

  it('is 413 when it is sent in chunks of which none tells the size', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const { status, headers, body } = await rawHttp(
      baseUrl,
      'POST /v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' +
        chunk.repeat(5),
    )
    expect(status).toBe(413)
    expect(headers['content-type']).toBe('application/problem+json')
    expect(problemSchema.parse(JSON.parse(body))).toMatchObject({ status: 413, code: 'payload_too_large' })
  })

  it.each([
    ['text/plain', '{"email":"a@example.com"}'],
    ['application/x-www-form-urlencoded', 'email=a%40example.com'],
    ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\r\n--x--\r\n'],
    ['application/xml', '<email/>'],
    ['application/json-patch+json', '[]'],
    ['nonsense', '{}'],
  ])('is 415 as %s', async (contentType, payload) => {
    const response = await register(payload, { 'content-type': contentType })
    expectProblem(response, { status: 415, code: 'unsupported_media_type', instance: '/v1/auth/register' })
  })

  it('is taken with a charset', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' }
    const payload = JSON.stringify({ email: `${randomUUID()}@example.com`, password: PASSWORD })
    expect((await register(payload, headers)).statusCode).toBe(201)
  })
})

describe('a query that cannot be taken', () => {
  it.each([
    ['an unknown key', 'colour=red', ['/colour']],
    ['a limit of 0', 'limit=0', ['/limit']],
    ['a limit of 101', 'limit=101', ['/limit']],
    ['a limit that is no number', 'limit=many', ['/limit']],
    ['a limit given twice', 'limit=1&limit=2', ['/limit']],
    ['a cursor that is none', 'cursor=zzz', ['/cursor']],
    ['an unknown status', 'status=done', ['/status']],
    ['a time that is none', 'from=yesterday', ['/from']],
    ['two wrong keys', 'colour=red&limit=0', ['/limit', '/colour']],
  ])('is refused with its pointer: %s', async (_, query, pointers) => {
    const response = await user.request({ url: `/v1/runs?${query}` })
    expectProblem(response, { status: 400, code: 'validation_failed', instance: '/v1/runs', pointers })
  })
})

describe('an address that leads nowhere', () => {
  it.each(['/', '/v1', '/v2/agents', '/v1/runs/a/b', '/favicon.ico', '/v1//runs', '/.env'])(
    'is 404: %s',
    async (url) => {
      expectProblem(await app.inject({ url }), { status: 404, code: 'not_found', instance: url })
    },
  )

  it('leaves the query out of the instance', async () => {
    expectProblem(await app.inject({ url: '/nowhere?token=secret' }), {
      status: 404,
      code: 'not_found',
      instance: '/nowhere',
    })
  })

  it.each([
    ['/v1/runs/0190f3b4-0000-7000-8000-000000000000', 'a run that never was'],
    ['/v1/runs/not-a-uuid', 'a run id that is none'],
    ['/v1/runs/%00', 'a run id with a NUL'],
    ['/v1/agents/nobody', 'an unknown agent'],
    ['/v1/agents/..%2f..%2fetc', 'an agent that is a path'],
  ])('is 404: %s, %s', async (url) => {
    expectProblem(await user.request({ url }), { status: 404, code: 'not_found', instance: url })
  })

  it('is 404 when a path parameter is longer than any of ours', async () => {
    const url = `/v1/agents/${'a'.repeat(5000)}`
    expectProblem(await user.request({ url }), { status: 404, code: 'not_found', instance: url })
  })

  it.each(['/v1/agents/%', '/v1/agents/%zz', '/%c3%28', '/v1/runs/%E0%A4%A'])(
    'is 400 when its encoding is broken: %s',
    async (url) => {
      expectProblem(await user.request({ url }), { status: 400, code: 'validation_failed', instance: url })
    },
  )
})

describe('a method that an address does not take', () => {
  it.each([
    ['DELETE', '/v1/runs', 'GET, HEAD'],
    ['PUT', '/v1/auth/login', 'POST'],
    ['GET', '/v1/auth/login', 'POST'],
    ['PATCH', '/v1/runs/0190f3b4-0000-7000-8000-000000000000', 'GET, HEAD'],
    ['GET', '/v1/agents/developer/run', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['OPTIONS', '/v1/runs', 'GET, HEAD'],
  ] as const)('is 405 and names those it takes: %s %s', async (method, url, allow) => {
    const response = await app.inject({ method, url })
    expectProblem(response, { status: 405, code: 'method_not_allowed', instance: url })
    expect(response.headers.allow).toBe(allow)
  })
})

describe('a caller who may not', () => {
  it.each([
    ['no token', {}],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['a token that is none', { authorization: 'Bearer a.b.c' }],
  ])('is 401 with %s, and is told the scheme', async (_, headers) => {
    const response = await app.inject({ url: '/v1/runs', headers })
    expectProblem(response, { status: 401, code: 'unauthenticated', instance: '/v1/runs' })
    expect(response.headers['www-authenticate']).toMatch(/^Bearer /)
  })

  it('is 401 before the body is judged', async () => {
    const response = await app.inject({ method: 'POST', url: '/v1/agents/developer/run', payload: { wrong: 1 } })
    expectProblem(response, { status: 401, code: 'unauthenticated', instance: '/v1/agents/developer/run' })
  })

  it('is 403 as a viewer who starts a run, and can still read', async () => {
    const viewer = await TestUser.register(app)
    await withClient(app.database.url, (client) =>
      client.query(`UPDATE memberships SET role = 'viewer' WHERE user_id = $1`, [viewer.userId]),
    )
    const credentials = { email: viewer.email, password: PASSWORD }
    const login = await app.inject({ method: 'POST', url: '/v1/auth/login', payload: credentials })
    const headers = { authorization: `Bearer ${login.json().accessToken}` }
    const url = '/v1/agents/developer/run'
    const response = await app.inject({ method: 'POST', url, payload: { task: 'Hello.' }, headers })
    const { detail } = expectProblem(response, { status: 403, code: 'forbidden', instance: url })
    expect(detail).toContain('runs:write')
    expect((await app.inject({ url: '/v1/runs', headers })).statusCode).toBe(200)
  })
})

describe('a conflict', () => {
  it('is 409 by its kind', async () => {
    const payload = { email: user.email, password: PASSWORD }
    const response = await app.inject({ method: 'POST', url: '/v1/auth/register', payload })
    expectProblem(response, { status: 409, code: 'email_taken', instance: '/v1/auth/register' })
  })
})

describe('bytes that are no proper HTTP request', () => {
  it.each([
    ['garbage', 'garbage\r\n\r\n', 400],
    ['TLS on the plain port', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', 400],
    ['an unknown version', 'GET / HTTP/9.9\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
    ['a header with a NUL', 'GET / HTTP/1.1\r\nHost: x\r\nX-A: \u0000\r\n\r\n', 400],
    ['no Host', 'GET /health/liveness HTTP/1.1\r\n\r\n', 400],
    ['headers beyond every measure', `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
  ])('are a problem on the wire: %s', async (_, bytes, expectedStatus) => {
    const { status, reason, headers, body } = await rawHttp(baseUrl, bytes)
    expect({ status, body }).toEqual({ status: expectedStatus, body: expect.stringContaining('"code"') })
    expect(headers['content-type']).toBe('application/problem+json')
    const problem = problemSchema.parse(JSON.parse(body))
    expect(problem).toMatchObject({ status: expectedStatus, title: reason, requestId: headers['x-request-id'] })
    expect(problem.type).toBe(`urn:temponest:problem:${problem.code}`)
  })

  it('are overlooked where the RFC lets us: an expectation that nobody knows', async () => {
    const { status } = await rawHttp(baseUrl, 'GET /health/liveness HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n')
    expect(status).toBe(200)
  })

  it('leave the server serving', async () => {
    await rawHttp(baseUrl, 'garbage\r\n\r\n')
    expect((await fetch(new URL('/health/liveness', baseUrl))).status).toBe(200)
  })
})

describe('a fault of ours', () => {
  it('is 500 and tells nothing of what is inside, until it is mended', async () => {
    const rename = (from: string, to: string) =>
      withClient(app.database.url, (client) => client.query(`ALTER TABLE runs RENAME COLUMN ${from} TO ${to}`))
    await rename('error_detail', 'error_detail_gone')
    try {
      for (const url of ['/v1/runs', '/v1/runs/0190f3b4-0000-7000-8000-000000000000']) {
        const response = await user.request({ url })
        const problem = expectProblem(response, { status: 500, code: 'internal', instance: url })
        expect(problem).not.toHaveProperty('errors')
        expect(problem.detail).toBe('Something went wrong on our side.')
        expect(response.body).not.toMatch(/error_detail|column|SELECT|pg|postgres|\.ts|\.js/i)
      }
    } finally {
      await rename('error_detail_gone', 'error_detail')
    }
    expect((await user.request({ url: '/v1/runs' })).statusCode).toBe(200)
  })

  it('is no answer to text that PostgreSQL cannot hold', async () => {
    const payload = { email: `${randomUUID()}@example.com`, password: PASSWORD, name: 'a\u0000b' }
    const response = await app.inject({ method: 'POST', url: '/v1/auth/register', payload })
    expectProblem(response, { status: 400, code: 'validation_failed', pointers: ['/name'] })
    expect((await user.request({ url: '/v1/runs?agent=%00' })).statusCode).toBeLessThan(500)
  })
})
