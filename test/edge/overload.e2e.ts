import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const POLL_MS = 20
const SHORT_TIMEOUT_MS = 1000
const PROBES = ['/health/liveness', '/health/readiness', '/metrics']
const UNAVAILABLE = { status: 503, code: 'unavailable' }

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS)
}

const statusOf = async (app: TestApp, url: string): Promise<number> => (await app.inject({ url })).statusCode

describe('a server that cannot keep up', () => {
  it('refuses at once while its heap is too large, and the probes never', async () => {
    await using app = await TestApp.start({ env: { MAX_HEAP_USED_BYTES: '1000000' } })
    await until(async () => (await statusOf(app, '/openapi.json')) === 503)
    for (const url of ['/v1/runs', '/openapi.json', '/docs', '/nowhere']) {
      const response = await app.inject({ url })
      expectProblem(response, { ...UNAVAILABLE, instance: url })
      expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1)
      expect(response.headers['content-security-policy']).toBeDefined()
    }
    for (const url of PROBES) {
      expect([url, await statusOf(app, url)]).toEqual([url, 200])
      const head = await app.inject({ method: 'HEAD', url })
      expect([url, head.statusCode]).toEqual([url, 200])
    }
  })

  it('refuses while its event loop stands still, and serves again once it turns', async () => {
    await using app = await TestApp.start({ env: { MAX_EVENT_LOOP_DELAY_MS: '100' } })
    await until(async () => {
      const end = performance.now() + 400
      while (performance.now() < end);
      return (await statusOf(app, '/openapi.json')) === 503
    })
    expectProblem(await app.inject({ url: '/v1/runs' }), UNAVAILABLE)
    expect(await statusOf(app, '/health/liveness')).toBe(200)
    await until(async () => (await statusOf(app, '/openapi.json')) === 200)
  })

  it('serves all the same where both limits are switched off', async () => {
    await using app = await TestApp.start({ env: { MAX_EVENT_LOOP_DELAY_MS: '0', MAX_HEAP_USED_BYTES: '0' } })
    const end = performance.now() + 2500
    while (performance.now() < end);
    await sleep(POLL_MS)
    expect(await statusOf(app, '/openapi.json')).toBe(200)
  })
})

describe('a route that takes too long', () => {
  let simulator: ModelSimulator
  let app: TestApp
  let user: TestUser

  beforeAll(async () => {
    simulator = await ModelSimulator.start()
    app = await TestApp.start({
      env: {
        HANDLER_TIMEOUT_MS: `${SHORT_TIMEOUT_MS}`,
        OPENAI_BASE_URL: simulator.baseUrl,
        OPENAI_API_KEY: 'sk-test',
        DEFAULT_MODEL: 'openai/gpt-4o-mini',
      },
      routes: (fastify) => {
        fastify.get('/test/stalled', () => new Promise<never>(() => undefined))
        fastify.get('/test/late', async () => {
          await sleep(SHORT_TIMEOUT_MS + 300)
          return 'late'
        })
        fastify.get('/test/slow-stream', (_request, reply) =>
          reply.type('text/csv').send(Readable.from(slowly(['a', 'b', 'c', 'd']))),
        )
      },
    })
    user = await TestUser.register(app)
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
    await simulator.stop()
  })

  async function* slowly(parts: string[]): AsyncGenerator<string> {
    for (const part of parts) {
      yield part
      await sleep(SHORT_TIMEOUT_MS / 2)
    }
  }

  it('is cut off with 503, and the server goes on', async () => {
    const response = await app.inject({ url: '/test/stalled' })
    expectProblem(response, { ...UNAVAILABLE, instance: '/test/stalled' })
    expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(response.headers['cache-control']).toBe('no-store')
    expect(await statusOf(app, '/health/liveness')).toBe(200)
  })

  it('is cut off for real: a query that waits for a lock', async () => {
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE runs')
      expectProblem(await user.request({ url: '/v1/runs' }), { ...UNAVAILABLE, instance: '/v1/runs' })
      await client.query('ROLLBACK')
    })
    expect((await user.request({ url: '/v1/runs' })).statusCode).toBe(200)
  })

  it('has no second word when its answer comes after all', async () => {
    const baseUrl = await app.listen()
    const answers = await Promise.all(Array.from({ length: 3 }, () => fetch(`${baseUrl}/test/late`)))
    for (const answer of answers)
      expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'unavailable' }])
    await sleep(500)
    expect((await fetch(`${baseUrl}/health/liveness`)).status).toBe(200)
  })

  it('is left alone while its answer flows', async () => {
    const response = await app.inject({ url: '/test/slow-stream' })
    expect([response.statusCode, response.body]).toEqual([200, 'abcd'])
  })

  it('is left alone while it waits for a run as it was asked to', async () => {
    simulator.set({ latencyMs: SHORT_TIMEOUT_MS * 2 })
    const run = await user.run({ task: 'Take your time.' }, { prefer: 'wait=10' })
    expect([run.statusCode, run.json().status]).toEqual([200, 'completed'])
  })

  it('does not count the time that its client took to send the body', async () => {
    const { hostname, port } = new URL(await app.nest.getUrl())
    const body = JSON.stringify({ email: user.email, password: 'Wrong-Horse-42' })
    const socket = connect({ host: hostname, port: Number(port) })
    socket.write(
      'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    )
    await sleep(SHORT_TIMEOUT_MS + 500)
    socket.write(body.slice(10))
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 401 /)
  })
})

describe('a client that never sends its body to the end', () => {
  it('is told 408 and hung up on', async () => {
    await using app = await TestApp.start({ env: { REQUEST_TIMEOUT_MS: '1000', HANDLER_TIMEOUT_MS: '1000' } })
    const { hostname, port } = new URL(await app.listen())
    const socket = connect({ host: hostname, port: Number(port) })
    socket.write(
      'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    )
    const answer = await readAll(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(answer).toContain('"code":"request_timeout"')
  })
})

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
