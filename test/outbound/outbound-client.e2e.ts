import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import type { HostResolver } from '#platform/outbound/host-resolver.js'
import { OutboundClient } from '#platform/outbound/outbound-client.js'
import { type Answer, Canary, createOutbound, TestNames } from '../support/outbound.js'
import { TestApp } from '../support/test-app.js'

const LOOPBACK = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' }
const KIB = 1024
const MIB = 1024 * KIB

/** A server, a client that may reach it, and its URL. */
async function start(answer: Answer, env: Record<string, string> = {}) {
  const server = await Canary.start(answer)
  const outbound = createOutbound({ env: { ...LOOPBACK, ...env } })
  return {
    ...outbound,
    server,
    url: `http://127.0.0.1:${server.port}/`,
    async [Symbol.asyncDispose]() {
      await outbound[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Sends a little every 20 ms and never ends. */
const drip: Answer = (_request, response) => {
  const timer = setInterval(() => response.write('drip'), 20)
  response.on('close', () => clearInterval(timer))
}
const silence: Answer = () => {}

describe('OutboundClient', () => {
  it('sends what it is given, under the name of the URL, and reads the answer', async () => {
    await using server = await Canary.start(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      const { host, authorization, 'user-agent': agent } = request.headers
      response.writeHead(418, { 'X-Answer': 'yes' })
      response.end(JSON.stringify({ method: request.method, url: request.url, host, authorization, agent, body }))
    })
    const resolver = new TestNames({ 'tools.example': [['127.0.0.1']] })
    await using outbound = createOutbound({ env: LOOPBACK, resolver })
    const answer = await outbound.client.request({
      url: `http://tools.example:${server.port}/path?q=1`,
      method: 'POST',
      headers: { Authorization: 'Bearer x' },
      body: Buffer.from('hello'),
    })
    expect(answer).toMatchObject({ status: 418, isTruncated: false, headers: { 'x-answer': 'yes' } })
    expect(JSON.parse(String(answer.body))).toEqual({
      method: 'POST',
      url: '/path?q=1',
      host: `tools.example:${server.port}`,
      authorization: 'Bearer x',
      agent: expect.stringMatching(/^TempoNest\/\d/),
      body: 'hello',
    })
    expect(await outbound.outcomes()).toEqual({ answered: 1 })
  })

  it('gives libraries a fetch that needs no this', async () => {
    await using it = await start((request, response) => {
      response.writeHead(201, 'Made', { 'content-type': 'application/json' })
      response.end(JSON.stringify({ type: request.headers['content-type'] }))
    })
    const { fetch } = it.client
    const response = await fetch(new URL(it.url), { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
    expect([response.status, response.statusText, response.ok]).toEqual([201, 'Made', true])
    expect(await response.json()).toEqual({ type: 'application/x-www-form-urlencoded;charset=UTF-8' })
    expect(await it.outcomes()).toEqual({ answered: 1 })
  })

  it('gives answers without a body', async () => {
    await using it = await start((_request, response) => void response.writeHead(204).end())
    expect(await (await it.client.fetch(it.url)).text()).toBe('')
    expect(await it.client.request({ url: it.url })).toMatchObject({ status: 204, body: Buffer.alloc(0) })
  })

  it('presents the name of the URL in TLS and does not trust a server without a certificate for it', async () => {
    const names: string[] = []
    const server = createTlsServer({
      SNICallback: (name, callback) => {
        names.push(name)
        callback(null)
      },
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await using outbound = createOutbound({
      env: LOOPBACK,
      resolver: new TestNames({ 'tools.example': [['127.0.0.1']] }),
    })
    const request = outbound.client.request({ url: `https://tools.example:${port}/` })
    await expect(request).rejects.toMatchObject({ code: 'outbound_failed', kind: 'upstream_failed' })
    expect(names).toEqual(['tools.example'])
    server.close()
  })

  it('keeps no cookies', async () => {
    const cookies: unknown[] = []
    await using it = await start((request, response) => {
      cookies.push(request.headers.cookie)
      response.setHeader('set-cookie', 'session=1').end()
    })
    await it.client.request({ url: it.url })
    await it.client.request({ url: it.url })
    expect(cookies).toEqual([undefined, undefined])
  })

  it('says that nobody listens, without the address', async () => {
    const server = await Canary.start()
    const { port } = server
    await server[Symbol.asyncDispose]()
    await using outbound = createOutbound({
      env: LOOPBACK,
      resolver: new TestNames({ 'tools.example': [['127.7.7.7']] }),
    })
    const error = await outbound.client.request({ url: `http://tools.example:${port}/` }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'outbound_failed', detail: 'The request failed (ECONNREFUSED).' })
    expect(String(error)).not.toContain('127.')
    expect(await outbound.outcomes()).toEqual({ failed: 1 })
  })

  it('fails when the connection breaks before the answer or within it', async () => {
    await using it = await start((request, response) => {
      if (request.url === '/within') response.writeHead(200, { 'content-length': 100 }).write('half')
      setTimeout(() => request.socket.destroy(), 20)
    })
    const code = 'outbound_failed'
    await expect(it.client.request({ url: it.url })).rejects.toMatchObject({ code })
    await expect(it.client.request({ url: `${it.url}within` })).rejects.toMatchObject({ code })
  })
})

describe('the time of a request', () => {
  it.each([
    ['a server that is silent', silence],
    ['a server that drips', drip],
  ])('ends with its limit: %s', async (_what, answer) => {
    await using it = await start(answer)
    const request = it.client.request({ url: it.url, timeoutMs: 150 })
    await expect(request).rejects.toMatchObject({
      code: 'outbound_timeout',
      kind: 'upstream_failed',
      detail: 'The server did not answer in full within 150 ms.',
    })
    expect(await it.outcomes()).toEqual({ timeout: 1 })
  })

  it('is never longer than the setting', async () => {
    await using it = await start(drip, { OUTBOUND_TIMEOUT_MS: '150' })
    const detail = 'The server did not answer in full within 150 ms.'
    await expect(it.client.request({ url: it.url, timeoutMs: 60_000 })).rejects.toMatchObject({ detail })
    await expect(it.client.request({ url: it.url })).rejects.toMatchObject({ detail })
    const response = await it.client.fetch(it.url)
    await expect(response.text()).rejects.toMatchObject({ code: 'outbound_timeout', detail })
  })

  // These two wait for seconds on purpose: together.
  it.concurrent('has five seconds for the look-up, and for the connection with TLS', async () => {
    await using outbound = createOutbound({
      env: LOOPBACK,
      resolver: { resolve: () => new Promise<never>(() => {}) } satisfies HostResolver,
    })
    const server = createTcpServer((socket) => socket.on('error', () => {}))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const startedAt = performance.now()
    const urls = ['http://slow-names.example/', `https://127.0.0.1:${port}/`]
    const errors = await Promise.all(urls.map((url) => outbound.client.request({ url }).catch((error) => error)))
    expect(errors.map(({ code }) => code)).toEqual(['outbound_timeout', 'outbound_timeout'])
    expect(performance.now() - startedAt).toBeGreaterThan(4900)
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    server.close()
  })

  it.concurrent('leaves a connection open for four seconds, whatever the server offers', async () => {
    const closed = Promise.withResolvers<number>()
    await using it = await start((request, response) => {
      request.socket.setTimeout(0).once('close', () => closed.resolve(performance.now()))
      response.setHeader('keep-alive', 'timeout=600').end('kept')
    })
    await it.client.request({ url: it.url })
    // The pool takes a connection back a moment after the body's end.
    await sleep(50)
    await it.client.request({ url: it.url })
    const lastUsedAt = performance.now()
    expect(it.server.connections).toEqual(['127.0.0.1'])
    const idleMs = (await closed.promise) - lastUsedAt
    expect(idleMs).toBeGreaterThan(2500)
    expect(idleMs).toBeLessThan(20_000)
  })

  it('ends when its caller gives up, with his reason', async () => {
    await using it = await start(drip)
    const reason = new Error('cancelled')
    const abortSoon = () => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(reason), 50)
      return controller.signal
    }
    await expect(it.client.request({ url: it.url, signal: abortSoon() })).rejects.toBe(reason)
    const response = await it.client.fetch(it.url, { signal: abortSoon() })
    await expect(response.text()).rejects.toBe(reason)
    await expect(it.client.fetch(it.url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await it.outcomes()).toEqual({ aborted: 2, answered: 1 })
  })
})

describe('the size of an answer', () => {
  const sized =
    (bytes: number): Answer =>
    (_request, response) =>
      void response.end(Buffer.alloc(bytes, 'x'))

  it('may be the limit, and no byte more', async () => {
    await using it = await start(sized(2000))
    const { body } = await it.client.request({ url: it.url, maxResponseBytes: 2000 })
    expect(body.length).toBe(2000)
    await expect(it.client.request({ url: it.url, maxResponseBytes: 1999 })).rejects.toMatchObject({
      code: 'outbound_too_large',
      kind: 'upstream_failed',
      detail: 'The answer has more than 1999 bytes.',
    })
    expect(await it.outcomes()).toEqual({ answered: 1, too_large: 1 })
  })

  it('is never larger than the setting', async () => {
    await using it = await start(sized(1025), { OUTBOUND_MAX_RESPONSE_BYTES: '1024' })
    const code = 'outbound_too_large'
    await expect(it.client.request({ url: it.url, maxResponseBytes: MIB })).rejects.toMatchObject({ code })
    await expect(it.client.request({ url: it.url })).rejects.toMatchObject({ code })
    const response = await it.client.fetch(it.url)
    await expect(response.text()).rejects.toMatchObject({ code })
  })

  it('is cut where that is asked for, and the rest is not fetched', async () => {
    let closed: Promise<unknown> | undefined
    await using it = await start((_request, response) => {
      closed = once(response, 'close')
      const pour = () => {
        while (response.write(Buffer.alloc(64 * KIB, 'x')));
      }
      response.on('drain', pour)
      pour()
    })
    const answer = await it.client.request({ url: it.url, maxResponseBytes: 1000, truncate: true })
    expect(answer).toMatchObject({ isTruncated: true, body: Buffer.alloc(1000, 'x') })
    await closed
  })

  it('counts as it is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * MIB))
    expect(bomb.length).toBeLessThan(32 * KIB)
    await using it = await start((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb)
    })
    const code = 'outbound_too_large'
    await expect(it.client.request({ url: it.url })).rejects.toMatchObject({ code })
    const response = await it.client.fetch(it.url)
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code })
    const cut = await it.client.request({ url: it.url, maxResponseBytes: 10, truncate: true })
    expect(cut).toMatchObject({ isTruncated: true, body: Buffer.alloc(10) })
    expect(Object.keys(cut.headers)).not.toContain('content-encoding')
    expect(Object.keys(cut.headers)).not.toContain('content-length')
  })

  it('includes headers of up to 16 KiB', async () => {
    await using it = await start((request, response) => {
      response.writeHead(200, { 'x-large': 'x'.repeat(Number(request.url?.slice(1))) }).end()
    })
    expect(await it.client.request({ url: `${it.url}16000` })).toMatchObject({ status: 200 })
    await expect(it.client.request({ url: `${it.url}17000` })).rejects.toMatchObject({
      code: 'outbound_too_large',
      detail: "The answer's headers are too large.",
    })
  })
})

describe('a request', () => {
  it.each([
    ['a body over 1 MiB', { body: 'x'.repeat(MIB + 1) }, 'The body has more than 1048576 bytes.'],
    ['headers over 16 KiB', { headers: { 'x-a': 'x'.repeat(16 * KIB) } }, 'The headers have more than 16384 bytes.'],
    ['another host', { headers: { Host: 'internal.example' } }, 'The header host may not be set.'],
    ['a length', { headers: { 'Content-Length': '0' } }, 'The header content-length may not be set.'],
    ['chunks', { headers: { 'transfer-encoding': 'chunked' } }, 'The header transfer-encoding may not be set.'],
    ['an upgrade', { headers: { upgrade: 'h2c' } }, 'The header upgrade may not be set.'],
    ['a method that is no tool for tenants', { method: 'TRACE' }, 'The method TRACE may not be used.'],
    ['a method in small letters', { method: 'patch' }, 'The method patch may not be used.'],
    ['a body where none belongs', { method: 'GET', body: 'x' }, 'A GET request has no body.'],
    ['a second header in a value', { headers: { 'x-a': 'b\r\nHost: internal' } }, 'A header is malformed.'],
    ['a name that is none', { headers: { 'x a': 'b' } }, 'A header is malformed.'],
  ])('is refused with %s', async (_what, init, detail) => {
    await using it = await start((_request, response) => void response.end())
    const refusal = { code: 'outbound_refused', kind: 'invalid', detail }
    await expect(it.client.request({ url: it.url, method: 'POST', ...init })).rejects.toMatchObject(refusal)
    await expect(it.client.send({ url: it.url, method: 'POST', ...init })).rejects.toMatchObject(refusal)
    await expect(it.client.fetch(it.url, { method: 'POST', ...init })).rejects.toMatchObject(refusal)
    expect(it.server.connections).toEqual([])
  })

  it('may have a body of 1 MiB', async () => {
    await using it = await start(async (request, response) => {
      let bytes = 0
      for await (const chunk of request) bytes += (chunk as Buffer).length
      response.end(String(bytes))
    })
    const { body } = await it.client.request({ url: it.url, method: 'PUT', body: 'x'.repeat(MIB) })
    expect(String(body)).toBe(String(MIB))
  })

  it('is refused with a body that cannot be measured', async () => {
    await using it = await start((_request, response) => void response.end())
    const body = new Blob(['hello']).stream()
    const refusal = { code: 'outbound_refused', detail: 'The body must be a text or bytes.' }
    await expect(it.client.fetch(it.url, { method: 'POST', body })).rejects.toMatchObject(refusal)
  })
})

describe('the application', () => {
  it('gives every module the client and shows what it counts', async () => {
    await using app = await TestApp.start()
    const client = app.nest.get(OutboundClient)
    const metadata = client.request({ url: 'http://169.254.169.254/latest/meta-data/' })
    await expect(metadata).rejects.toMatchObject({ code: 'outbound_refused' })
    const { body } = await app.inject({ url: '/metrics' })
    expect(body).toContain('temponest_outbound_requests_total{outcome="refused"} 1\n')
  })
})
