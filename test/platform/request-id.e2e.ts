import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
/** A success, a 404 of ours, a 404 of the framework, a 401, a 405, an address that cannot be decoded. */
const ADDRESSES = [
  ['a success', '/v1/agents'],
  ['an object that is not there', '/v1/runs/0190f3b4-0000-7000-8000-000000000000'],
  ['a refused query', '/v1/runs?limit=0'],
  ['no such route', '/nowhere'],
  ['a wrong method', '/v1/auth/login'],
  ['an address that cannot be decoded', '/v1/agents/%zz'],
  ['liveness', '/health/liveness'],
  ['metrics', '/metrics'],
  ['the OpenAPI document', '/openapi.json'],
  ['the page to read it with', '/docs'],
] as const

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

async function requestId(sent: string | undefined, url = '/v1/agents'): Promise<unknown> {
  const response = await user.request({ url, ...(sent !== undefined && { headers: { 'x-request-id': sent } }) })
  const echoed = response.headers['x-request-id']
  if (response.statusCode >= 400) expect(response.json().requestId).toBe(echoed)
  return echoed
}

describe.each(ADDRESSES)('X-Request-Id: %s', (_, url) => {
  it('is the one that the client sent', async () => {
    expect(await requestId('order-42_retry-1', url)).toBe('order-42_retry-1')
  })

  it('is made where none is sent, another each time', async () => {
    const ids = [await requestId(undefined, url), await requestId(undefined, url)]
    for (const id of ids) expect(id).toMatch(UUID_V7)
    expect(new Set(ids).size).toBe(2)
  })
})

describe('an X-Request-Id', () => {
  it.each(['a', 'A-z_0', 'x'.repeat(64)])('is taken: %j', async (sent) => {
    expect(await requestId(sent)).toBe(sent)
  })

  it.each(['', ' ', 'x'.repeat(65), 'a b', 'a.b', 'a/b', 'a,b', '<script>', 'ä', '${jndi:x}', 'a%0d%0aX-Evil: 1'])(
    'is replaced, not repeated: %j',
    async (sent) => {
      expect(await requestId(sent)).toMatch(UUID_V7)
    },
  )

  it('is on a refused sign-in, too', async () => {
    const response = await app.inject({ url: '/v1/runs', headers: { 'x-request-id': 'who-am-i' } })
    expect([response.statusCode, response.headers['x-request-id'], response.json().requestId]).toEqual([
      401,
      'who-am-i',
      'who-am-i',
    ])
  })
})

describe('a traceparent', () => {
  it.each([
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    // Of a later version, with more fields; broken; twice in one line; far too long.
    'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings',
    '00-00000000000000000000000000000000-0000000000000000-00',
    'nonsense',
    'x'.repeat(10_000),
  ])('never keeps a request from being answered: %.60s', async (traceparent) => {
    const response = await user.request({ url: '/v1/agents', headers: { traceparent, 'x-request-id': 'traced' } })
    expect([response.statusCode, response.headers['x-request-id']]).toEqual([200, 'traced'])
  })
})
