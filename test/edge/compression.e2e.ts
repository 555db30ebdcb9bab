import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const MIN_BYTES = 500
const DECODE: Record<string, (coded: Buffer) => Buffer> = { br: brotliDecompressSync, gzip: gunzipSync }
const LARGE_BYTES = 200_000

/** Of the test's own, to meet every size and kind of body. */
function addRoutes(fastify: FastifyInstance): void {
  fastify.get<{ Params: { bytes: string } }>('/test/text/:bytes', (request, reply) =>
    reply.type('text/plain; charset=utf-8').send('a'.repeat(Number(request.params.bytes))),
  )
  fastify.get('/test/noise', (_request, reply) => reply.type('text/plain').send(randomBytes(2000)))
  fastify.get('/test/image', (_request, reply) => reply.type('image/png').send(Buffer.alloc(2000)))
  fastify.get('/test/coded', (_request, reply) =>
    reply.type('text/plain').header('content-encoding', 'zstd').send(Buffer.alloc(2000)),
  )
  fastify.get('/test/stream', (_request, reply) =>
    reply.type('text/csv; charset=utf-8').send(Readable.from(Array.from({ length: 1000 }, () => 'a,b,c\n'))),
  )
  fastify.get('/test/broken-stream', (_request, reply) => {
    const source = new Readable({ read: () => source.destroy(new Error('no source')) })
    return reply.type('text/csv').send(source)
  })
  fastify.get('/test/events', (_request, reply) =>
    reply.type('text/event-stream').send(Readable.from(['data: 1\n\n', `data: ${'x'.repeat(1000)}\n\n`])),
  )
}

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start({ routes: addRoutes })
  user = await TestUser.register(app)
})
afterAll(() => app[Symbol.asyncDispose]())

const get = (url: string, acceptEncoding?: string): Promise<LightMyRequestResponse> =>
  user.request({ url, ...(acceptEncoding !== undefined && { headers: { 'accept-encoding': acceptEncoding } }) })

function decoded({ rawPayload, headers }: LightMyRequestResponse): string {
  const coding = headers['content-encoding']
  return (coding === undefined ? rawPayload : DECODE[coding]!(rawPayload)).toString()
}

describe('a large answer', () => {
  it.each([
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip;q=1, br;q=0.5', 'gzip'],
    ['br;q=0, *', 'gzip'],
    ['*', 'br'],
    ['identity', undefined],
    ['deflate', undefined],
    ['identity;q=1, gzip;q=0.5', undefined],
    [undefined, undefined],
  ])('to a client that accepts %j is coded %j, and says the same', async (acceptEncoding, coding) => {
    const plain = await get('/openapi.json')
    const response = await get('/openapi.json', acceptEncoding)
    expect([response.statusCode, response.headers['content-encoding']]).toEqual([200, coding])
    expect(decoded(response)).toBe(plain.body)
    expect(response.headers['content-length']).toBe(`${response.rawPayload.length}`)
    expect(response.headers['content-type']).toBe(plain.headers['content-type'])
    if (coding !== undefined) expect(response.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2)
  })

  it.each(['gzip', 'br'])('is the same each time, from a copy or not: %s', async (coding) => {
    const answers = []
    for (let index = 0; index < 3; index++) answers.push(await get(`/test/text/${LARGE_BYTES}`, coding))
    for (const answer of answers) expect(decoded(answer)).toBe('a'.repeat(LARGE_BYTES))
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(1)
  })

  it('of a tenant is its own, however alike', async () => {
    const other = await TestUser.register(app)
    const context = 'The same words. '.repeat(1500)
    const ids = await Promise.all(
      [user, other].map(async (one) => (await one.run({ task: 'Say.', context })).json().id),
    )
    const [mine, theirs] = await Promise.all(
      [user, other].map((one, index) =>
        one.request({ url: `/v1/runs/${ids[index]}`, headers: { 'accept-encoding': 'br' } }),
      ),
    )
    expect(JSON.parse(decoded(mine!)).id).toBe(ids[0])
    expect(JSON.parse(decoded(theirs!)).id).toBe(ids[1])
  })
})

describe('the size of an answer', () => {
  it.each([
    [MIN_BYTES - 1, undefined],
    [MIN_BYTES, 'gzip'],
    [16 * 1024, 'gzip'],
    [16 * 1024 + 1, 'gzip'],
    [LARGE_BYTES, 'gzip'],
  ])('of %i bytes makes it coded %j', async (bytes, coding) => {
    const response = await get(`/test/text/${bytes}`, 'gzip')
    expect(response.headers['content-encoding']).toBe(coding)
    expect(decoded(response)).toBe('a'.repeat(bytes))
  })

  it('stays as it is where coding would make it larger', async () => {
    for (const coding of ['gzip', 'br']) {
      const response = await get('/test/noise', coding)
      expect([response.headers['content-encoding'], response.rawPayload.length]).toEqual([undefined, 2000])
    }
  })

  it('does not matter to a client that takes nothing but a coding', async () => {
    const short = await get('/test/text/3', 'gzip, identity;q=0')
    expect([short.headers['content-encoding'], decoded(short)]).toEqual(['gzip', 'aaa'])
    expect((await get('/test/noise', 'br, *;q=0')).headers['content-encoding']).toBe('br')
  })
})

describe('what is compressed already, or no text', () => {
  it.each(['/test/image', '/docs/favicon-32x32.png'])('is left as it is: %s', async (url) => {
    const response = await get(url, 'gzip, br')
    expect([response.statusCode, response.headers['content-encoding']]).toEqual([200, undefined])
  })

  it('is never compressed twice', async () => {
    const response = await get('/test/coded', 'gzip, br')
    expect([response.headers['content-encoding'], response.rawPayload.length]).toEqual(['zstd', 2000])
  })
})

describe('a stream', () => {
  const text = 'a,b,c\n'.repeat(1000)

  it.each(['gzip', 'br'])('is compressed as it flows: %s', async (coding) => {
    const response = await get('/test/stream', coding)
    expect([response.headers['content-encoding'], response.headers['content-length']]).toEqual([coding, undefined])
    expect(response.headers.vary).toContain('Accept-Encoding')
    expect(decoded(response)).toBe(text)
  })

  it('is left as it is for who reads no coding', async () => {
    const response = await get('/test/stream')
    expect([response.headers['content-encoding'], response.body]).toEqual([undefined, text])
  })

  it('has the same headers for HEAD, and no body', async () => {
    const headers = { 'accept-encoding': 'br' }
    const response = await app.inject({ method: 'HEAD', url: '/test/stream', headers })
    expect([response.statusCode, response.headers['content-encoding'], response.body]).toEqual([200, 'br', ''])
  })

  it('that fails at once is a problem that can be read', async () => {
    const response = await get('/test/broken-stream', 'br')
    expectProblem(response, { status: 500, code: 'internal' })
    expect(response.headers['content-encoding']).toBeUndefined()
  })

  it('of events is never touched', async () => {
    const response = await get('/test/events', 'gzip, br')
    expect(response.headers['content-encoding']).toBeUndefined()
    expect(response.headers.etag).toBeUndefined()
    expect(response.body).toBe(`data: 1\n\ndata: ${'x'.repeat(1000)}\n\n`)
  })
})

describe('an answer that holds a secret', () => {
  const acceptEncoding = { 'accept-encoding': 'gzip, br' }

  it('is neither compressed nor stored, however long', async () => {
    const credentials = { email: `${randomUUID()}@example.com`, password: PASSWORD }
    const post = (route: string, payload: object) =>
      app.inject({ method: 'POST', url: `/v1/auth/${route}`, payload, headers: acceptEncoding })
    const registered = await post('register', { ...credentials, name: 'n'.repeat(100), tenantName: 't'.repeat(100) })
    const loggedIn = await post('login', credentials)
    const otherwiseSpelled = await app.inject({
      method: 'POST',
      url: '/v1/%61uth/login',
      payload: credentials,
      headers: acceptEncoding,
    })
    const refreshed = await post('refresh', { refreshToken: loggedIn.json().refreshToken })
    const answers = [registered, loggedIn, otherwiseSpelled, refreshed]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 200, 200, 200])
    for (const { headers, rawPayload } of answers) {
      expect(rawPayload.length).toBeGreaterThan(MIN_BYTES)
      expect(headers['content-encoding']).toBeUndefined()
      expect(headers['cache-control']).toBe('no-store')
      expect(headers.etag).toBeUndefined()
    }
  })

  it('is not what a run is: that is compressed', async () => {
    const payload = { task: 'Long.', context: 'A long text. '.repeat(200) }
    const response = await user.request({
      method: 'POST',
      url: '/v1/agents/developer/run',
      payload,
      headers: acceptEncoding,
    })
    expect([response.statusCode, response.headers['content-encoding']]).toEqual([200, 'br'])
    expect(JSON.parse(decoded(response)).status).toBe('completed')
  })
})

describe('a problem', () => {
  it('is compressed when it is long, and stays a problem', async () => {
    const keys = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, 1]))
    const response = await user.request({
      method: 'POST',
      url: '/v1/agents/developer/run',
      payload: { task: 'x', ...keys },
      headers: { 'accept-encoding': 'gzip' },
    })
    expect([response.statusCode, response.headers['content-encoding']]).toEqual([400, 'gzip'])
    expect(response.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(decoded(response))).toMatchObject({ code: 'validation_failed' })
  })
})
