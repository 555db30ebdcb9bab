import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import type { HostResolver } from '#platform/outbound/host-resolver.js'
import { eventually } from '../support/eventually.js'
import { createOutbound } from '../support/outbound.js'

const LOOPBACK = { OUTBOUND_ALLOWED_CIDRS: '127.0.0.0/8' }
const KIB = 1024
const HEAD = 'HTTP/1.1 200 OK\r\nX-Answer: yes\r\n'

/** A server that says, byte by byte, what no HTTP library would, and a client that may reach it. */
async function start(answer: (socket: Socket, head: string) => void, env: Record<string, string> = {}) {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const text = data.toString('latin1')
      if (!text.startsWith('POST ')) return
      requests.push(text)
      answer(socket, text)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const outbound = createOutbound({ env: { ...LOOPBACK, ...env } })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?x=1`
  return {
    ...outbound,
    url,
    /** A webhook, as its sender sends it. */
    send: (options: Record<string, unknown> = {}) =>
      outbound.client.send({ url, method: 'POST', body: '{}', maxResponseBytes: 4096, timeoutMs: 20_000, ...options }),
    requests,
    sockets,
    async [Symbol.asyncDispose]() {
      await outbound[Symbol.asyncDispose]()
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const saying = (text: string) => (socket: Socket) => void socket.write(text, 'latin1')

describe('what is sent', () => {
  it('is the request, with what it takes to be answered in plain', async () => {
    await using it = await start(saying('HTTP/1.1 204 No Content\r\n\r\n'))
    const answer = await it.send({ headers: { 'Webhook-Id': 'msg_1', 'content-type': 'application/json' } })
    expect(answer).toEqual({ status: 204, headers: {}, body: Buffer.alloc(0), isTruncated: false, failure: null })
    const [head = '', body] = it.requests[0]?.split('\r\n\r\n') ?? []
    const [line, ...headers] = head.split('\r\n')
    expect([line, body]).toEqual(['POST /hook?x=1 HTTP/1.1', '{}'])
    expect(headers.map((header) => header.toLowerCase()).toSorted()).toEqual([
      'accept-encoding: identity',
      'connection: keep-alive',
      'content-length: 2',
      'content-type: application/json',
      expect.stringMatching(/^host: 127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^user-agent: temponest\/\d/),
      'webhook-id: msg_1',
    ])
  })

  it('goes over one connection when it follows one another', async () => {
    await using it = await start(saying(`${HEAD}Content-Length: 2\r\n\r\nok`))
    for (let count = 0; count < 5; count++) {
      expect(String((await it.send()).body)).toBe('ok')
      // The pool takes a connection back a turn of the event loop after the body's end.
      await nextTurn()
    }
    expect([it.requests.length, it.sockets.size]).toEqual([5, 1])
    expect(await it.outcomes()).toEqual({ answered: 5 })
  })
})

describe('an answer', () => {
  it.each([
    ['421', '421 Misdirected Request\r\nContent-Length: 0', {}],
    ['407', '407 Proxy Authentication Required\r\nContent-Length: 0', {}],
    ['401', '401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0', {}],
    ['408 that closes', '408 Request Timeout\r\nConnection: close\r\nContent-Length: 0', {}],
    ['503', '503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0', { 'retry-after': '0' }],
    ['redirect', '307 Temporary Redirect\r\nLocation: /there\r\nContent-Length: 0', { location: '/there' }],
    [
      'redirect to nowhere',
      '307 Temporary Redirect\r\nLocation: http://[\r\nContent-Length: 0',
      { location: 'http://[' },
    ],
    ['304', '304 Not Modified', {}],
    ['999', '999 Odd\r\nContent-Length: 0', {}],
  ])('is one, and nothing is repeated: a %s', async (what, said, headers) => {
    await using it = await start(saying(`HTTP/1.1 ${said}\r\n\r\n`))
    expect(await it.send()).toMatchObject({ status: Number(what.slice(0, 3)) || 307, headers, failure: null })
    expect(it.requests).toHaveLength(1)
    expect(await it.outcomes()).toEqual({ answered: 1 })
  })

  it.each([
    ['gzip', gzipSync('hello').toString('latin1')],
    ['gzip', 'this is no gzip'],
    ['gzip, gzip, br, x-unknown', 'as it came'],
  ])('is kept as it came, whatever it says of its packing: %s', async (encoding, body) => {
    await using it = await start(
      saying(`${HEAD}Content-Encoding: ${encoding}\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    )
    const answer = await it.send()
    expect(answer).toMatchObject({ status: 200, headers: { 'content-encoding': encoding, 'x-answer': 'yes' } })
    expect(answer.body.toString('latin1')).toBe(body)
  })

  it('has all values of a name, cookies too, by both ways', async () => {
    const cookies = 'Set-Cookie: a=1\r\nset-cookie: b=2\r\nX-Two: 1\r\nx-two: 2\r\n__proto__: x\r\n'
    await using it = await start(saying(`${HEAD}${cookies}Content-Length: 0\r\n\r\n`))
    const joined = { 'set-cookie': 'a=1, b=2', 'x-two': '1, 2' }
    expect(await it.send()).toMatchObject({ headers: joined })
    const { headers } = await it.client.request({ url: it.url, method: 'POST' })
    expect(headers).toMatchObject(joined)
  })

  it('is cut at its limit, and the connection with it', async () => {
    let sent = 0
    await using it = await start((socket) => {
      const pour = (): void => {
        do sent += 64 * KIB
        while (socket.write('x'.repeat(64 * KIB)))
      }
      socket.write(`${HEAD}\r\n`)
      socket.on('drain', pour)
      pour()
    })
    const answer = await it.send()
    expect(answer).toMatchObject({ status: 200, isTruncated: true, failure: null })
    expect(String(answer.body)).toBe('x'.repeat(4096))
    await eventually(() => [...it.sockets].every((socket) => socket.closed))
    // What the kernel's buffers hold; never without end.
    expect(sent).toBeLessThan(64 * KIB * KIB)
    expect(await it.outcomes()).toEqual({ answered: 1 })
  })

  it('may follow others that are none (1xx), for as long as the time lasts', async () => {
    const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
    await using some = await start(saying(`${hint.repeat(50)}HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n`))
    expect(await some.send()).toMatchObject({ status: 202, headers: {} })
    await using flood = await start((socket) => {
      const pour = (): void => {
        while (!socket.destroyed && socket.write(hint.repeat(100)));
      }
      socket.on('drain', pour)
      pour()
    })
    await expect(flood.send({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'outbound_timeout' })
    expect(flood.requests.length).toBeLessThan(2)
  })

  it('whose body breaks keeps its status and its headers', async () => {
    await using it = await start((socket) => {
      socket.write(`${HEAD}Content-Length: 100\r\n\r\nhalf`, () => socket.resetAndDestroy())
    })
    const answer = await it.send()
    expect(answer).toMatchObject({ status: 200, headers: { 'x-answer': 'yes' }, body: Buffer.alloc(0) })
    expect(answer.failure).toMatchObject({ code: 'outbound_failed', kind: 'upstream_failed' })
    expect(answer.failure?.detail).toMatch(/^The request failed \(\w+\)\.$/)
    expect(it.requests).toHaveLength(1)
    expect(await it.outcomes()).toEqual({ failed: 1 })
  })

  it('whose body hangs keeps them, too', async () => {
    await using it = await start(saying(`${HEAD}Content-Length: 100\r\n\r\nhalf`))
    const answer = await it.send({ timeoutMs: 1000 })
    expect(answer).toMatchObject({ status: 200, headers: { 'x-answer': 'yes' } })
    expect(answer.failure).toMatchObject({
      code: 'outbound_timeout',
      detail: 'The server did not answer in full within 1000 ms.',
    })
    expect(await it.outcomes()).toEqual({ timeout: 1 })
  })

  it.each([
    ['silence', '', 'outbound_timeout'],
    ['half of a head', HEAD, 'outbound_timeout'],
    ['headers over 16 KiB', `${HEAD}X-Large: ${'x'.repeat(17 * KIB)}\r\n\r\n`, 'outbound_too_large'],
    ['thousands of headers', `${HEAD}${'X-Many: 1\r\n'.repeat(4000)}\r\n`, 'outbound_too_large'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'outbound_failed'],
    [
      'an upgrade that nobody wants',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      'outbound_failed',
    ],
    ['two lengths', `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`, 'outbound_failed'],
  ])('is none: %s', async (_what, said, code) => {
    await using it = await start(saying(said))
    const timeoutMs = code === 'outbound_timeout' ? 500 : 20_000
    await expect(it.send({ timeoutMs })).rejects.toMatchObject({ code })
    expect(it.requests.length).toBeLessThan(2)
  })

  it('is none when the connection ends before it, and nothing is sent again', async () => {
    await using it = await start((socket) => void socket.resetAndDestroy())
    await expect(it.send()).rejects.toMatchObject({ code: 'outbound_failed' })
    expect(it.requests).toHaveLength(1)
  })

  it('that is not asked for is nobody’s: the next request does not get it', async () => {
    await using it = await start(
      saying(`${HEAD}Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`),
    )
    expect(String((await it.send()).body)).toBe('ok')
    const next = await it.send().catch((error: unknown) => error)
    expect(next).not.toMatchObject({ body: Buffer.from('evil') })
  })
})

describe('whoever sends', () => {
  const reason = new Error('cancelled')

  it('may give up within the answer', async () => {
    await using it = await start(saying(`${HEAD}Content-Length: 100\r\n\r\nhalf`))
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(it.send({ signal: controller.signal })).rejects.toBe(reason)
    expect(await it.outcomes()).toEqual({ aborted: 1 })
    await expect(it.send({ signal: controller.signal })).rejects.toBe(reason)
  })

  it('waits no longer than he wants for a host that is not yet found', async () => {
    const resolver: HostResolver = { resolve: () => new Promise<never>(() => {}) }
    await using outbound = createOutbound({ env: LOOPBACK, resolver })
    const startedAt = performance.now()
    const sending = { url: 'http://slow-names.example/', method: 'POST' }
    await expect(outbound.client.send({ ...sending, timeoutMs: 100 })).rejects.toMatchObject({
      code: 'outbound_timeout',
      detail: 'The server did not answer in full within 100 ms.',
    })
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(outbound.client.send({ ...sending, signal: controller.signal })).rejects.toBe(reason)
    expect(performance.now() - startedAt).toBeLessThan(4000)
    expect(await outbound.outcomes()).toEqual({ timeout: 1, aborted: 1 })
  })
})
