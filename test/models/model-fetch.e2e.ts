import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { deflateSync, gzipSync } from 'node:zlib'
import { modelFetch } from '../../src/modules/models/model-fetch.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

const answers = new Map<string, Answer>()
const listener: RequestListener = (request, response) => void answers.get(request.url ?? '')?.(request, response)
const server = createServer(listener)
let baseUrl: string

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => answers.clear())
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** Serves `path` and posts to it. */
function post(path: string, answer: Answer, init: RequestInit = {}): Promise<Response> {
  answers.set(path, answer)
  return modelFetch(`${baseUrl}${path}`, { method: 'POST', body: '{"a":"ä"}', ...init })
}

const hold: Answer = () => undefined

describe('a request', () => {
  it('is sent as it was given, and asks for nothing coded', async () => {
    let seen: IncomingMessage | undefined
    const answer: Answer = async (request, response) => response.end(await text((seen = request)))
    const response = await post('/a?b=c', answer, { headers: { authorization: 'Bearer x', 'Content-Type': 'a/b' } })
    expect(await response.text()).toBe('{"a":"ä"}')
    expect(seen?.method).toBe('POST')
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer x',
      'content-type': 'a/b',
      'content-length': '10',
      'accept-encoding': 'identity',
    })
  })

  it('that is no text sent to a URL goes the usual way', async () => {
    answers.set('/', (request, response) => response.end(request.method))
    expect(await (await modelFetch(new URL(baseUrl))).text()).toBe('GET')
  })

  it('fails as fetch does where nobody listens', async () => {
    const failure = { name: 'TypeError', message: 'fetch failed', cause: { code: 'ECONNREFUSED' } }
    await expect(modelFetch('http://127.0.0.1:9/', { method: 'POST', body: '' })).rejects.toMatchObject(failure)
  })

  it('fails as fetch does where the server hangs up before it answers', async () => {
    const failure = { name: 'TypeError', message: 'fetch failed', cause: { code: 'UND_ERR_SOCKET' } }
    await expect(post('/', (request) => request.socket.destroy())).rejects.toMatchObject(failure)
  })

  it('is followed where it is redirected to', async () => {
    answers.set('/there', async (request, response) => response.end(await text(request)))
    const response = await post('/here', (_request, answer) => answer.writeHead(307, { location: '/there' }).end())
    expect(await response.text()).toBe('{"a":"ä"}')
  })
})

describe('an answer', () => {
  it('has its status, its reason and its headers, whatever the status', async () => {
    const headers = { 'retry-after': '7', 'x-name': 'M\u00fcller' }
    const response = await post('/', (_request, answer) => answer.writeHead(429, 'Slowly', headers).end('no'))
    expect(response).toMatchObject({ ok: false, status: 429, statusText: 'Slowly' })
    expect(Object.fromEntries(response.headers)).toMatchObject(headers)
    expect(await response.text()).toBe('no')
  })

  it.each([204, 205, 304, 302])(
    'of %s without a place to go is one without a body, or with an empty one',
    async (status) => {
      const response = await post('/', (_request, answer) => answer.writeHead(status).end())
      expect(response.status).toBe(status)
      expect(await response.text()).toBe('')
    },
  )

  it.each([999, 600])('of status %s, which there is not, fails', async (status) => {
    await expect(post('/', (_request, answer) => answer.writeHead(status).end())).rejects.toThrow('fetch failed')
  })

  it.each([
    ['gzip', gzipSync],
    ['X-GZIP', gzipSync],
    ['deflate', deflateSync],
  ])('is decoded though nobody asked for %s', async (coding, encode) => {
    const headers = { 'content-encoding': coding }
    const response = await post('/', (_request, answer) => answer.writeHead(200, headers).end(encode('data: x\n\n')))
    expect(await response.text()).toBe('data: x\n\n')
  })

  it('comes as it is sent, piece by piece', async () => {
    let rest: (() => void) | undefined
    const response = await post('/', (_request, answer) => {
      answer.write('one')
      rest = () => void answer.end('two')
    })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('one')
    rest?.()
    expect((await reader.read()).value).toBe('two')
    expect((await reader.read()).done).toBe(true)
  })

  it('breaks when the connection does', async () => {
    const response = await post('/', (request, answer) => answer.write('one', () => request.socket.destroy()))
    await expect(response.text()).rejects.toMatchObject({ cause: { code: 'UND_ERR_SOCKET' } })
  })

  it('is not taken faster than it is read', async () => {
    const piece = Buffer.alloc(1024 * 1024)
    const pieces = 64
    let sent = 0
    const response = await post('/', async (_request, answer) => {
      for (; sent < pieces; sent += 1) if (!answer.write(piece)) await once(answer, 'drain')
      answer.end()
    })
    answers.set('/tick', (_request, answer) => answer.end())
    for (let tick = 0; tick < 200; tick += 1) await (await fetch(`${baseUrl}/tick`)).arrayBuffer()
    expect(sent).toBeLessThan(pieces)
    expect((await response.arrayBuffer()).byteLength).toBe(pieces * piece.length)
  })
})

describe('an abort', () => {
  const reason = new Error('no longer wanted')

  it('before the request sends nothing', async () => {
    let requests = 0
    await expect(post('/', () => (requests += 1), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await post('/', (_request, answer) => answer.end())
    expect(requests).toBe(0)
  })

  it('at once after the request rejects with its reason', async () => {
    const stop = new AbortController()
    const response = post('/', hold, { signal: stop.signal })
    stop.abort(reason)
    await expect(response).rejects.toBe(reason)
  })

  it.each(['before the answer', 'in the middle of the answer'])('%s closes the connection', async (when) => {
    const stop = new AbortController()
    const closed = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    const response = post(
      '/',
      (request, answer) => {
        request.socket.once('close', () => closed.resolve())
        if (when !== 'before the answer') answer.write('one')
        arrived.resolve()
      },
      { signal: stop.signal },
    )
    await arrived.promise
    const body = when === 'before the answer' ? response : (await response).text()
    stop.abort(reason)
    await expect(body).rejects.toBe(reason)
    await closed.promise
  })

  it('of whoever reads closes the connection', async () => {
    const closed = Promise.withResolvers<void>()
    const response = await post('/', (request, answer) => {
      request.socket.once('close', () => closed.resolve())
      answer.write('one')
    })
    await response.body?.cancel()
    await expect(closed.promise).resolves.toBeUndefined()
  })
})
