import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { AppError } from '#kernel/app-error.js'
import { type BoundTool, ToolRegistry, type ToolUse } from '#modules/tools'
import { type Answer, Canary } from '../support/outbound.js'
import { TestApp } from '../support/test-app.js'
import { contextOf, open, openOne } from './toolbox.js'

const OWNER = { tenantId: '01a1fd76-0000-7000-8000-000000000001' }

let app: TestApp
let server: Canary
let seen: { method: string; url: string; headers: Record<string, unknown>; body: string }[]
let answer: Answer

const echo: Answer = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
}

beforeAll(async () => {
  app = await TestApp.start({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32' } })
  server = await Canary.start(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    await answer(request, response)
  })
})
beforeEach(() => {
  seen = []
  answer = echo
  server.connections.length = 0
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const url = (path = '/') => `http://127.0.0.1:${server.port}${path}`
const use = (config: Record<string, unknown> = {}, rest: Partial<ToolUse> = {}): ToolUse => ({
  tool: 'http_request',
  config: { hosts: [`127.0.0.1:${server.port}`], ...config },
  ...rest,
})
const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

async function call(args: unknown, config: Record<string, unknown> = {}, context = contextOf(OWNER)) {
  return (await openOne(app, OWNER, use(config))).call(args, context)
}

async function pointersOf(...uses: ToolUse[]): Promise<string[]> {
  const refusal = await app.nest
    .get(ToolRegistry)
    .check(OWNER.tenantId, uses)
    .then(
      () => undefined,
      (error: AppError) => error,
    )
  return (refusal?.errors ?? []).map(({ pointer }) => pointer)
}

describe('http_request', () => {
  it('sends what the model says, and what the maker has fixed, and tells the answer', async () => {
    const config = { methods: ['POST'], headers: { 'X-Fixed': 'by the maker' } }
    const args = {
      method: 'POST',
      url: url('/a?b=1'),
      headers: { 'x-own': 'mine', 'x-fixed': 'by the model' },
      body: '{"a":1}',
    }
    expect(await call(args, config)).toEqual({
      text: 'HTTP 200\ncontent-type: application/json\n\n{"ok":true}',
      isError: false,
    })
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/a?b=1',
        headers: expect.objectContaining({
          'x-fixed': 'by the maker',
          'x-own': 'mine',
          'content-type': 'application/json',
          'idempotency-key': 'call-1',
        }),
        body: '{"a":1}',
      },
    ])
  })

  it('sends an Idempotency-Key of ours with POST and PATCH, and with nothing else', async () => {
    for (const method of all) {
      await call(
        { method, url: url(), headers: { 'Idempotency-Key': 'of the model' } },
        { methods: all },
        contextOf(OWNER, { callId: 'ü/1' }),
      )
    }
    const keys = seen.map(({ method, headers }) => [method, headers['idempotency-key']])
    expect(keys).toEqual(
      all.map((method) => [method, method === 'POST' || method === 'PATCH' ? '%C3%BC%2F1' : 'of the model']),
    )
  })

  it.each([
    [undefined, true],
    [['GET', 'HEAD', 'PUT', 'DELETE'], true],
    [['GET', 'POST'], false],
    [['PATCH'], false],
  ])('with the methods %j is idempotent: %j', async (methods, isIdempotent) => {
    expect(await openOne(app, OWNER, use({ methods }))).toMatchObject({
      name: 'http_request',
      isIdempotent,
      needsApproval: false,
      timeoutMs: 30_000,
    })
  })

  it('asks a person where the agent says so, and has the name that the agent gives it', async () => {
    const tool = await openOne(app, OWNER, use({ name: 'crm', timeoutMs: 60_000 }, { requireApproval: true }))
    expect(tool).toMatchObject({ name: 'crm', needsApproval: true, timeoutMs: 60_000 })
  })

  it.each([
    ['another host', 'http://localhost:PORT/'],
    ['the host as a user name', 'http://127.0.0.1:PORT@localhost:PORT/'],
    ['a user name before the host', 'http://user@127.0.0.1:PORT/'],
    ['another address that ends alike', 'http://127.0.0.1.evil.test:PORT/'],
    ['the host in the path', 'http://localhost:PORT/127.0.0.1'],
    ['another port', 'http://127.0.0.1:1/'],
    ['another scheme', 'ftp://127.0.0.1:PORT/'],
    ['no URL', '/relative'],
  ])('does not go to %s', async (_, given) => {
    const result = await call({ method: 'GET', url: given.replaceAll('PORT', String(server.port)) })
    expect(result).toEqual({ text: expect.stringContaining('one of these hosts'), isError: true })
    expect(server.connections).toEqual([])
  })

  it.each([
    'Host',
    'content-length',
    'Connection',
    'transfer-encoding',
    'Cookie',
    'Proxy-Authorization',
    'X-Forwarded-For',
  ])('does not let the model set %s', async (name) => {
    expect(await call({ method: 'GET', url: url(), headers: { [name]: '1' } })).toEqual({
      text: `The header ${name} may not be set.`,
      isError: true,
    })
    expect(server.connections).toEqual([])
  })

  it.each([
    ['a method that is not allowed', { method: 'POST', url: 'http://x' }, '/method'],
    ['no URL', { method: 'GET' }, "'url'"],
    ['an unknown argument', { method: 'GET', url: 'http://x', follow: true }, 'additional properties'],
    ['a header that is no text', { method: 'GET', url: 'http://x', headers: { a: 1 } }, '/headers/a'],
    ['a list', [], 'must be an object'],
    ['nothing', null, 'must be an object'],
  ])('says what is wrong with %s, and sends nothing', async (_, args, words) => {
    const { text, isError } = await call(args)
    expect([isError, text]).toEqual([true, expect.stringMatching(/^The arguments do not match the input schema: /)])
    expect(text).toContain(words)
    expect(server.connections).toEqual([])
  })

  it('sends no body with GET', async () => {
    expect(await call({ method: 'GET', url: url(), body: 'x' })).toEqual({
      text: 'A GET request has no body.',
      isError: true,
    })
  })

  it('tells of a redirect and does not follow it', async () => {
    answer = (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end()
    expect(await call({ method: 'GET', url: url() })).toEqual({
      text: 'HTTP 302\nlocation: /elsewhere',
      isError: false,
    })
    expect(seen.length).toBe(1)
  })

  it('calls a status from 400 an error', async () => {
    answer = (_request, response) => void response.writeHead(404, { 'content-type': 'text/plain' }).end('nothing here')
    expect(await call({ method: 'GET', url: url() })).toEqual({
      text: 'HTTP 404\ncontent-type: text/plain\n\nnothing here',
      isError: true,
    })
  })

  it('cuts an answer that is too large, and the result of one that is too long', async () => {
    answer = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain' }).end('x'.repeat(200_000))
    const few = await call({ method: 'GET', url: url() }, { maxResponseBytes: 10 })
    expect(few.text).toBe('HTTP 200\ncontent-type: text/plain\n\nxxxxxxxxxx\n[cut: the first 10 bytes]')
    const many = await call({ method: 'GET', url: url() })
    expect(many.text.length).toBeLessThan(100_100)
    expect(many.text).toMatch(/x\n\[cut: the first 100000 of 2000\d\d characters\]$/)
  })

  it('gives up after its timeout, and says so of what may have happened', async () => {
    answer = () => {}
    expect(await call({ method: 'GET', url: url() }, { timeoutMs: 50 })).toEqual({
      text: 'No answer within 50 ms.',
      isError: true,
    })
    const risky = await call({ method: 'POST', url: url() }, { timeoutMs: 50, methods: ['POST'] })
    expect(risky).toEqual({ text: 'No answer within 50 ms. It may have had its effect.', isError: true })
  })

  it('ends with the reason of the run that was cancelled', async () => {
    answer = () => {}
    const cancelled = new AbortController()
    const waiting = call({ method: 'GET', url: url() }, {}, contextOf(OWNER, { signal: cancelled.signal }))
    setTimeout(() => cancelled.abort(new Error('cancelled')), 50)
    await expect(waiting).rejects.toThrow('cancelled')
    await expect(
      call({ method: 'GET', url: url() }, {}, contextOf(OWNER, { signal: cancelled.signal })),
    ).rejects.toThrow('cancelled')
  })

  it('reaches no private address, allow-list or not, unless the operator allows it', async () => {
    await using closed = await TestApp.start()
    const tool: BoundTool = await openOne(
      closed,
      OWNER,
      use({ hosts: [`127.0.0.1:${server.port}`, `localhost:${server.port}`] }),
    )
    for (const host of ['127.0.0.1', 'localhost']) {
      const result = await tool.call({ method: 'GET', url: `http://${host}:${server.port}/` }, contextOf(OWNER))
      expect(result).toEqual({ text: expect.stringContaining('may not be reached'), isError: true })
    }
    expect(server.connections).toEqual([])
  })
})

describe('what an agent may say of http_request', () => {
  it.each([
    ['no host', { hosts: [] }, '/tools/0/config/hosts'],
    ['51 hosts', { hosts: Array.from({ length: 51 }, (_, n) => `h${n}.example.com`) }, '/tools/0/config/hosts'],
    ['every host', { hosts: ['*'] }, '/tools/0/config/hosts/0'],
    ['a URL as a host', { hosts: ['a.example.com', 'https://b.example.com'] }, '/tools/0/config/hosts/1'],
    ['a method that there is not', { methods: ['TRACE'] }, '/tools/0/config/methods/0'],
    ['a secret', { headers: { Authorization: 'Bearer x' } }, '/tools/0/config/headers/Authorization'],
    ['a session token', { headers: { 'X-Amz-Security-Token': 'x' } }, '/tools/0/config/headers/X-Amz-Security-Token'],
    ["a proxy's password", { headers: { 'Proxy-Authorization': 'x' } }, '/tools/0/config/headers/Proxy-Authorization'],
    ['a port that there is not', { hosts: ['127.0.0.1:0'] }, '/tools/0/config/hosts/0'],
    ['a reserved header', { headers: { 'X-Forwarded-For': '1' } }, '/tools/0/config/headers/X-Forwarded-For'],
    [
      '21 headers',
      { headers: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`x-${n}`, '1'])) },
      '/tools/0/config/headers',
    ],
    ['a timeout over a minute', { timeoutMs: 60_001 }, '/tools/0/config/timeoutMs'],
    ['more than a MiB', { maxResponseBytes: 1024 * 1024 + 1 }, '/tools/0/config/maxResponseBytes'],
    ['a name that no model takes', { name: 'a b' }, '/tools/0/config/name'],
    ['an unknown key', { host: 'x' }, '/tools/0/config/host'],
  ])('is not %s', async (_, config, pointer) => {
    expect(await pointersOf(use(config))).toEqual([pointer])
  })

  it('is 50 hosts, twice if the names differ', async () => {
    const hosts = Array.from({ length: 50 }, (_, n) => `h${n}.example.com`)
    expect(await pointersOf(use({ hosts }), use({ hosts, name: 'other' }))).toEqual([])
    expect(await pointersOf(use({ hosts }), use({ hosts }))).toEqual(['/tools/1/config'])
  })

  it('has no name that the engine itself offers to models', async () => {
    expect(await pointersOf(use({ name: 'delegate' }))).toEqual(['/tools/0/config'])
  })

  it('is nothing of a tool that there is not', async () => {
    expect(await pointersOf(use(), { tool: 'shell', config: {} })).toEqual(['/tools/1/tool'])
    await expect(open(app, OWNER, { tool: 'shell', config: {} })).rejects.toMatchObject({ code: 'validation_failed' })
  })
})
