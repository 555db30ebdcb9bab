import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppError } from '#kernel/app-error.js'
import { ToolRegistry, type ToolUse } from '#modules/tools'
import { TestMcpServer, type TestMcpServerOptions, textResult, toolNamed } from '../support/mcp-server.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { contextOf, open, openOne } from './toolbox.js'

const TOKEN = 's3cr3t-of-the-tests'
const NAMES = (count: number) => Array.from({ length: count }, (_, index) => toolNamed(`t${index}`))

let app: TestApp
let owner: TestUser
let server: TestMcpServer
let id: string

beforeAll(async () => {
  app = await TestApp.start({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32', OUTBOUND_MAX_RESPONSE_BYTES: '300000' } })
})
beforeEach(async () => {
  owner = await TestUser.register(app)
  server = await TestMcpServer.start({ token: TOKEN, tools: [toolNamed('find')] })
  id = await register(owner)
})
afterEach(() => server[Symbol.asyncDispose]())
afterAll(async () => app[Symbol.asyncDispose]())

async function register(user: TestUser, name = 'crm'): Promise<string> {
  const payload = { name, url: server.url, headers: { Authorization: `Bearer ${TOKEN}` } }
  return (await user.request({ method: 'POST', url: '/v1/mcp-servers', payload })).json().id
}

const use = (config: object = {}, rest: Partial<ToolUse> = {}): ToolUse => ({
  tool: 'mcp',
  config: { server: 'crm', ...config },
  ...rest,
})
const offer = (options: TestMcpServerOptions) => Object.assign(server.options, options)

async function call(args: unknown = {}, context = contextOf(owner)) {
  return (await openOne(app, owner, use())).call(args, context)
}

describe('the tools of an MCP server', () => {
  it('are given to models under the name of their server, as the server describes them', async () => {
    offer({
      tools: [
        toolNamed('find', { annotations: { readOnlyHint: true } }),
        toolNamed('set.it', { annotations: { idempotentHint: true, destructiveHint: true } }),
        toolNamed('add', { description: 'x'.repeat(2001) }),
      ],
    })
    const tools = await open(app, owner, use())
    expect(tools).toMatchObject([
      {
        name: 'crm_find',
        description: 'Does find.',
        inputSchema: { type: 'object' },
        isIdempotent: true,
        needsApproval: false,
        timeoutMs: 30_000,
      },
      { name: 'crm_set_it', isIdempotent: true, needsApproval: true },
      { name: 'crm_add', isIdempotent: false, needsApproval: false },
    ])
    expect(tools[2]?.description).toMatch(/^x{2000}\n\[cut/)
  })

  it('ask a person as the agent says, whatever the server says', async () => {
    offer({ tools: [toolNamed('drop', { annotations: { destructiveHint: true } }), toolNamed('find')] })
    const asks = async (requireApproval: boolean) =>
      (await open(app, owner, use({}, { requireApproval }))).map((tool) => tool.needsApproval)
    expect([await asks(true), await asks(false)]).toEqual([
      [true, true],
      [false, false],
    ])
  })

  it('are those that the agent names', async () => {
    offer({ tools: NAMES(65) })
    expect((await open(app, owner, use({ tools: ['t64', 't1'] }))).map(({ name }) => name)).toEqual([
      'crm_t1',
      'crm_t64',
    ])
    await expect(open(app, owner, use({ tools: ['t99'] }))).rejects.toMatchObject({ code: 'tool_unavailable' })
  })

  it('are at most 64 at once', async () => {
    offer({ tools: NAMES(65) })
    await expect(open(app, owner, use())).rejects.toMatchObject({
      code: 'tool_unavailable',
      detail: expect.stringContaining('name those that it needs'),
    })
    const another = await TestUser.register(app)
    offer({ tools: NAMES(64) })
    await register(another)
    expect(await open(app, another, use())).toHaveLength(64)
  })

  it.each([
    ['more than 200 tools', NAMES(201), 'more than 200 tools'],
    [
      'a list that is too long',
      [toolNamed('a', { inputSchema: { type: 'object', $comment: 'x'.repeat(262_144) } })],
      'characters',
    ],
    [
      'an answer that is too large',
      [toolNamed('a', { inputSchema: { type: 'object', $comment: 'x'.repeat(300_000) } })],
      'too large',
    ],
    [
      'a schema that is nested too deep',
      [toolNamed('a', { inputSchema: { type: 'object', not: JSON.parse(`${'['.repeat(51)}${']'.repeat(51)}`) } })],
      'deep',
    ],
    ['a schema that is none', [{ name: 'a', inputSchema: { type: 'array' } } as never], 'no MCP'],
  ])('are refused with %s', async (_, tools, words) => {
    offer({ tools })
    await expect(open(app, owner, use())).rejects.toMatchObject({
      code: 'tool_unavailable',
      kind: 'upstream_failed',
      detail: expect.stringContaining(words),
    })
  })

  it('are refused where their list has no end', async () => {
    offer({ tools: [], nextCursor: 'more' })
    await expect(open(app, owner, use())).rejects.toMatchObject({
      detail: expect.stringContaining('more than 20 pages'),
    })
    expect(server.lists).toBe(20)
  })

  it('are refused where two have one name', async () => {
    offer({ tools: [toolNamed('a.b'), toolNamed('a_b')] })
    await expect(open(app, owner, use())).rejects.toMatchObject({
      code: 'tool_unavailable',
      detail: 'Two tools of this agent have the name crm_a_b.',
    })
  })

  it('are asked for once a minute, and anew once the server has changed', async () => {
    await open(app, owner, use())
    await open(app, owner, use())
    expect(server.lists).toBe(1)
    await owner.request({
      method: 'PATCH',
      url: `/v1/mcp-servers/${id}`,
      payload: { headers: { authorization: `Bearer ${TOKEN}`, 'x-new': '1' } },
    })
    await open(app, owner, use())
    expect(server.lists).toBe(2)
  })

  it('are known to no other tenant', async () => {
    const stranger = await TestUser.register(app)
    await expect(open(app, stranger, use())).rejects.toMatchObject({
      code: 'tool_unavailable',
      detail: 'There is no MCP server crm any more.',
    })
    expect(server.connections).toBe(0)
  })
})

describe('a call of an MCP tool', () => {
  it('sends the arguments, the credentials and the id of the call', async () => {
    offer({ call: ({ arguments: args }) => textResult(JSON.stringify(args)) })
    expect(await call({ a: [1] })).toEqual({ text: '{"a":[1]}', isError: false })
    expect(server.calls).toMatchObject([
      { name: 'find', arguments: { a: [1] }, _meta: { 'temponest/idempotency-key': 'call-1' } },
    ])
    expect(server.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`)).toBe(true)
    // No stream is opened that nobody would read.
    expect(server.requests.map(({ method }) => method)).not.toContain('GET')
  })

  it('works with a server that answers in JSON, too', async () => {
    offer({ json: true })
    expect(await call()).toEqual({ text: 'done', isError: false })
  })

  it('is not made with arguments that do not match the schema', async () => {
    offer({
      tools: [
        toolNamed('find', {
          inputSchema: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
        }),
      ],
    })
    expect(await call({ id: 'x' })).toEqual({
      text: 'The arguments do not match the input schema: /id must be integer',
      isError: true,
    })
    expect(server.calls).toEqual([])
  })

  it.each([
    ['a regular expression that never ends', { properties: { a: { type: 'string', pattern: '^(a+)+$' } } }],
    ['references', { $defs: { a: {} }, properties: { a: { $ref: '#/$defs/a' } } }],
    ['a keyword that is none', { properties: { a: { type: 'strnig' } } }],
    ['twenty kilobytes', { $comment: 'x'.repeat(20_000) }],
  ])('goes to the server unchecked where its schema has %s', async (_, schema) => {
    offer({ tools: [toolNamed('find', { inputSchema: { type: 'object', ...schema } as never })] })
    const start = performance.now()
    expect(await call({ a: `${'a'.repeat(40)}!` })).toEqual({ text: 'done', isError: false })
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('never compiles what the server says of its output', async () => {
    offer({
      tools: [
        toolNamed('find', {
          outputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
        }),
      ],
      call: () => ({ content: [], structuredContent: { a: `${'a'.repeat(40)}!` } }),
    })
    expect(await call()).toEqual({ text: `{"a":"${'a'.repeat(40)}!"}`, isError: false })
  })

  it('tells what the tool calls an error, and what the server refuses', async () => {
    offer({ call: () => ({ ...textResult('no such customer'), isError: true }) })
    expect(await call()).toEqual({ text: 'no such customer', isError: true })
    offer({
      call: () => {
        throw new Error('it broke')
      },
    })
    expect(await call()).toEqual({
      text: expect.stringMatching(/^The MCP server crm refused: .*it broke$/),
      isError: true,
    })
  })

  it('names what is no text', async () => {
    offer({
      call: () => ({
        content: [
          { type: 'text', text: 'a' },
          { type: 'image', data: 'AAAA', mimeType: 'image/png' },
          { type: 'resource', resource: { uri: 'x:1', text: 'b' } },
          { type: 'resource', resource: { uri: 'x:2', blob: 'AAAA' } },
          { type: 'resource_link', uri: 'x:3', name: 'c' },
        ],
      }),
    })
    const text = 'a\n[image, image/png, not shown]\nb\n[resource, of an unknown type, not shown]\n[resource c: x:3]'
    expect(await call()).toEqual({ text, isError: false })
  })

  it('cuts a huge result, and says of one past all limits that it is', async () => {
    offer({ call: () => textResult('x'.repeat(150_000)) })
    expect((await call()).text).toMatch(/^x{100000}\n\[cut: the first 100000 of 150000 characters\]$/)
    for (const json of [false, true]) {
      offer({ json, call: () => textResult('x'.repeat(300_000)) })
      const start = performance.now()
      expect(await call()).toEqual({ text: expect.stringMatching(/too large|more than 300000 bytes/), isError: true })
      expect(performance.now() - start).toBeLessThan(5000)
    }
  })

  it('tells no model the credentials that a server repeats', async () => {
    offer({ call: () => textResult(`you are Bearer ${TOKEN} and ${TOKEN}`) })
    expect(await call()).toEqual({ text: 'you are [redacted] and [redacted]', isError: false })
    offer({
      call: () => {
        throw new Error(`not ${TOKEN}`)
      },
    })
    expect((await call()).text).toMatch(/not \[redacted\]$/)
    const tool = await openOne(app, owner, use())
    offer({ token: 'another' })
    expect(await tool.call({}, contextOf(owner))).toEqual({
      text: 'The MCP server crm answered with HTTP status 401.',
      isError: true,
    })
  })

  it('ends with the reason of the run that was cancelled, and the server learns it', async () => {
    const { promise: called, resolve } = Promise.withResolvers<AbortSignal>()
    offer({
      call: (_params, signal) => {
        resolve(signal)
        return new Promise(() => {})
      },
    })
    const cancelled = new AbortController()
    const waiting = call({}, contextOf(owner, { signal: cancelled.signal }))
    const signal = await called
    const learned = new Promise<void>((done) => signal.addEventListener('abort', () => done()))
    cancelled.abort(new Error('cancelled'))
    await expect(waiting).rejects.toThrow('cancelled')
    await learned
    expect(signal.aborted).toBe(true)
  })

  it('has its whole time, though its arguments read like a goodbye, which gets two seconds', async () => {
    offer({
      call: async () => {
        await sleep(2200)
        return textResult('Done.')
      },
    })
    expect(await call({ method: 'notifications/cancelled' })).toEqual({ text: 'Done.', isError: false })
  })

  it.each([
    [
      'a redirect',
      (response: { writeHead(status: number, headers: object): { end(): void } }) =>
        response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      'redirect',
    ],
    [
      'HTML',
      (response: { writeHead(status: number, headers: object): { end(text: string): void } }) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      'no MCP',
    ],
    [
      'broken JSON',
      (response: { writeHead(status: number, headers: object): { end(text: string): void } }) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end('{'),
      'no MCP',
    ],
    [
      'a broken stream',
      (response: {
        writeHead(status: number, headers: object): unknown
        destroy(): void
        write(text: string, done: () => void): void
      }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(': hello\n\n', () => response.destroy())
      },
      'broke off',
    ],
  ])('fails at once when the server answers with %s', async (_, answer, words) => {
    const tool = await openOne(app, owner, use())
    offer({
      intercept: (_request, response) => {
        answer(response as never)
        return true
      },
    })
    const start = performance.now()
    expect(await tool.call({}, contextOf(owner))).toEqual({ text: expect.stringContaining(words), isError: true })
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('fails after 32 requests of a server that has us come back for ever', async () => {
    const tool = await openOne(app, owner, use())
    server.requests.length = 0
    offer({
      intercept: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\nretry: 1\ndata:\n\n')
        return true
      },
    })
    const result = await tool.call({}, contextOf(owner))
    expect(result).toEqual({ text: 'The MCP server asks for too many requests.', isError: true })
    // The last of them says that the request is given up.
    expect(server.requests.length).toBeLessThanOrEqual(33)
    expect(server.requests.length).toBeGreaterThanOrEqual(32)
  })

  it('goes to the server as it is now, and not to one that was deleted', async () => {
    const tool = await openOne(app, owner, use())
    await using other = await TestMcpServer.start({ call: () => textResult('the new one') })
    const headers = { 'x-key': 'of the new one' }
    await owner.request({ method: 'PATCH', url: `/v1/mcp-servers/${id}`, payload: { url: other.url, headers } })
    expect(await tool.call({}, contextOf(owner))).toEqual({ text: 'the new one', isError: false })
    expect(other.requests[0]?.headers).toMatchObject(headers)
    expect(other.requests[0]?.headers.authorization).toBeUndefined()
    await owner.request({ method: 'DELETE', url: `/v1/mcp-servers/${id}` })
    expect(await tool.call({}, contextOf(owner))).toEqual({
      text: 'There is no MCP server crm any more.',
      isError: true,
    })
  })

  it('reaches no private address that the operator has not allowed', async () => {
    await using closed = await TestApp.start({ database: app.database })
    const before = server.connections
    await expect(open(closed, owner, use())).rejects.toMatchObject({
      code: 'tool_unavailable',
      detail: expect.stringContaining('may not be reached'),
    })
    expect(server.connections).toBe(before)
  })
})

describe('what an agent may say of mcp', () => {
  const refusalOf = (config: object): Promise<AppError | void> =>
    app.nest
      .get(ToolRegistry)
      .check(owner.tenantId, [use(config)])
      .catch((error: AppError) => error)

  it.each([
    ['a server that there is not', { server: 'erp' }, '/tools/0/config/server'],
    ['no server', { server: undefined }, '/tools/0/config/server'],
    ['no tool', { tools: [] }, '/tools/0/config/tools'],
    ['65 tools', { tools: NAMES(65).map(({ name }) => name) }, '/tools/0/config/tools'],
    ['an unknown key', { url: 'https://mcp.example.com' }, '/tools/0/config/url'],
  ])('is not %s', async (_, config, pointer) => {
    expect((await refusalOf(config))?.errors?.map((error) => error.pointer)).toEqual([pointer])
  })

  it('is checked without asking the server', async () => {
    expect(await refusalOf({ tools: ['anything'] })).toBeUndefined()
    expect(server.connections).toBe(0)
  })

  it('may be split into tools that ask a person and tools that do not', async () => {
    offer({ tools: NAMES(2) })
    const uses = [use({ tools: ['t0'] }, { requireApproval: true }), use({ tools: ['t1'] })]
    await app.nest.get(ToolRegistry).check(owner.tenantId, uses)
    expect((await open(app, owner, ...uses)).map(({ needsApproval }) => needsApproval)).toEqual([true, false])
  })
})
