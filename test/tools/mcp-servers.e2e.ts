import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { mcpServerPageSchema, mcpServerSchema } from '../../src/modules/tools/mcp-servers/mcp-servers.schemas.js'
import { TestMcpServer, toolNamed } from '../support/mcp-server.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SECRET = 'Bearer s3cr3t-of-the-tests'
const URL = 'https://mcp.example.com/mcp'

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start({ env: { OUTBOUND_ALLOWED_CIDRS: '127.0.0.1/32' } })
  events = recordEvents(app)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const post = (payload: object, headers: Record<string, string> = {}, who = owner) =>
  who.request({ method: 'POST', url: '/v1/mcp-servers', payload, headers })
const patch = (id: string, payload: object, who = owner) =>
  who.request({ method: 'PATCH', url: `/v1/mcp-servers/${id}`, payload })
const get = (id: string, who = owner) => who.request({ url: `/v1/mcp-servers/${id}` })
const remove = (id: string, who = owner) => who.request({ method: 'DELETE', url: `/v1/mcp-servers/${id}` })
const ask = (id: string, who = owner) => who.request({ method: 'POST', url: `/v1/mcp-servers/${id}/test` })

async function add(payload: object = {}): Promise<string> {
  const response = await post({ name: `s-${newId()}`.slice(0, 40), url: URL, ...payload })
  expect([response.statusCode, response.body]).toEqual([201, expect.any(String)])
  return response.json().id
}

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const [row] = await app.sql('SELECT * FROM mcp_servers WHERE id = $1', [id])
  return row ?? {}
}

describe('adding an MCP server', () => {
  it('answers with the server, the names of its headers among it and never their values', async () => {
    const response = await post({ name: 'crm', url: URL, headers: { Authorization: SECRET, 'x-team': 'blue' } })
    expect(response.statusCode).toBe(201)
    const server = mcpServerSchema.parse(response.json())
    expect(server).toMatchObject({ name: 'crm', url: URL, headerNames: ['Authorization', 'x-team'] })
    expect(response.headers['location']).toBe(`/v1/mcp-servers/${server.id}`)
    const shown = await get(server.id)
    expect(mcpServerSchema.parse(shown.json())).toEqual(server)
    const list = await owner.request({ url: '/v1/mcp-servers' })
    expect(mcpServerPageSchema.parse(list.json()).data).toEqual([server])
    expect(response.body + shown.body + list.body).not.toContain('s3cr3t')
  })

  it('keeps no header in clear', async () => {
    const id = await add({ headers: { Authorization: SECRET } })
    const row = await rowOf(id)
    const sealed = row['sealed_headers'] as Buffer
    expect(sealed.length).toBeGreaterThan(SECRET.length)
    expect(sealed.includes('s3cr3t') || sealed.includes('Authorization')).toBe(false)
  })

  it('keeps nothing where there are no headers', async () => {
    expect(await rowOf(await add({ headers: {} }))).toMatchObject({ sealed_headers: null })
  })

  it('happens once for an Idempotency-Key', async () => {
    const name = 'once'
    const key = { 'idempotency-key': newId() }
    const [first, again] = [await post({ name, url: URL }, key), await post({ name, url: URL }, key)]
    expect([again.statusCode, again.json(), again.headers['idempotent-replayed']]).toEqual([201, first.json(), 'true'])
  })

  it('refuses a name that is taken, in this tenant only', async () => {
    await post({ name: 'crm', url: URL })
    expectProblem(await post({ name: 'crm', url: URL }), { status: 409, code: 'name_taken' })
    expect((await post({ name: 'crm', url: URL }, {}, await TestUser.register(app))).statusCode).toBe(201)
  })

  it('takes 50 servers a tenant, also of those who ask at once', async () => {
    await app.sql(
      `INSERT INTO mcp_servers (tenant_id, id, name, url, created_at, updated_at)
       SELECT $1, gen_random_uuid(), 'bulk-' || n, $2, now(), now() FROM generate_series(1, 48) n`,
      [owner.tenantId, URL],
    )
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => post({ name, url: URL })))
    expect(answers.map(({ statusCode }) => String(statusCode)).sort()).toEqual(['201', '201', '409', '409'])
    expectProblem(await post({ name: 'e', url: URL }), { status: 409, code: 'mcp_server_limit_reached' })
  })

  it.each([
    ['a private address', 'http://10.0.0.1/mcp'],
    ['an address in another spelling', 'http://2130706434/mcp'],
    ['the metadata service', 'http://169.254.169.254/'],
    ['another scheme', 'file:///etc/passwd'],
    ['a password in it', 'https://user:pass@mcp.example.com'],
    ['a port for mail', 'https://mcp.example.com:25'],
    ['no URL', 'mcp.example.com'],
    ['a control character', 'https://mcp.example.com/\u0000'],
  ])('refuses a URL with %s', async (_, url) => {
    expectProblem(await post({ name: 'crm', url }), { status: 400, code: 'validation_failed', pointers: ['/url'] })
  })

  it.each([
    ['a name in upper case', { name: 'CRM' }, '/name'],
    ['a name of 41 characters', { name: 'a'.repeat(41) }, '/name'],
    ['a name with an underscore', { name: 'a_b' }, '/name'],
    ['an unknown key', { token: 'x' }, '/token'],
    ['a Host header', { headers: { Host: 'evil.test' } }, '/headers/Host'],
    ['a header of the protocol', { headers: { 'MCP-Session-Id': 'x' } }, '/headers/MCP-Session-Id'],
    ['a line break in a header', { headers: { 'x-a': 'a\r\nx-b: b' } }, '/headers/x-a'],
    ['a name that is no header', { headers: { 'x a': 'b' } }, '/headers/x a'],
    ['a header named twice', { headers: { 'x-a': '1', 'X-A': '2' } }, '/headers'],
    ['21 headers', { headers: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, '1'])) }, '/headers'],
    ['a header of 4001 characters', { headers: { 'x-a': 'a'.repeat(4001) } }, '/headers/x-a'],
    ['a URL of 2001 characters', { url: `https://mcp.example.com/${'a'.repeat(1977)}` }, '/url'],
  ])('refuses %s', async (_, payload, pointer) => {
    const answer = await post({ name: 'crm', url: URL, ...payload })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it('takes 8192 bytes of headers, a URL of 2000 characters and a name of 40', async () => {
    const headers = { 'x-1': 'a'.repeat(4000), 'x-2': 'a'.repeat(4000), 'x-3': 'a'.repeat(183) }
    const url = `https://mcp.example.com/${'a'.repeat(1976)}`
    const most = { name: 'a'.repeat(40), headers, url }
    expect((await post(most)).statusCode).toBe(201)
    const more = { ...most, headers: { ...headers, 'x-3': 'a'.repeat(184) } }
    expectProblem(await post(more), { status: 400, code: 'validation_failed', pointers: ['/headers'] })
  })
})

describe('changing an MCP server', () => {
  it('takes a new URL together with the headers, and only so', async () => {
    const id = await add({ headers: { Authorization: SECRET } })
    const url = 'https://elsewhere.example.com/mcp'
    expectProblem(await patch(id, { url }), { status: 400, code: 'validation_failed', pointers: ['/headers'] })
    expect((await get(id)).json().url).toBe(URL)
    expect((await patch(id, { url, headers: { 'x-key': 'another' } })).json()).toMatchObject({
      url,
      headerNames: ['x-key'],
    })
  })

  it('takes a new URL alone where there are no headers, and the same one where there are', async () => {
    const [bare, dressed] = [await add(), await add({ headers: { Authorization: SECRET } })]
    expect((await patch(bare, { url: 'https://elsewhere.example.com' })).statusCode).toBe(200)
    expect((await patch(dressed, { url: URL })).statusCode).toBe(200)
  })

  it('clears the headers with null', async () => {
    const id = await add({ headers: { Authorization: SECRET } })
    expect((await patch(id, { headers: null })).json()).toMatchObject({ url: URL, headerNames: [] })
    expect(await rowOf(id)).toMatchObject({ sealed_headers: null })
  })

  it('refuses a URL that may not be reached, and a name', async () => {
    const id = await add()
    expectProblem(await patch(id, { url: 'http://10.0.0.1' }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/url'],
    })
    expectProblem(await patch(id, { name: 'b' }), { status: 400, code: 'validation_failed', pointers: ['/name'] })
  })

  it('shows a server whose headers were sealed under a secret that is gone, and takes new ones', async () => {
    const id = await add({ headers: { Authorization: SECRET } })
    await app.sql("UPDATE mcp_servers SET sealed_headers = '\\x0102' WHERE id = $1", [id])
    expect((await get(id)).json().headerNames).toBeNull()
    expectProblem(await ask(id), { status: 502, code: 'tool_unavailable' })
    expect((await patch(id, { headers: { 'x-key': 'another' } })).json().headerNames).toEqual(['x-key'])
  })
})

describe('the headers of an MCP server', () => {
  it('open in their own row only', async () => {
    const [from, to] = [await add({ headers: { Authorization: SECRET } }), await add()]
    await app.sql(
      'UPDATE mcp_servers SET sealed_headers = (SELECT sealed_headers FROM mcp_servers WHERE id = $1) WHERE id = $2',
      [from, to],
    )
    expect((await get(to)).json().headerNames).toBeNull()
  })
})

describe('MCP servers', () => {
  it('are gone once deleted', async () => {
    const id = await add()
    expect((await remove(id)).statusCode).toBe(204)
    expectProblem(await get(id), { status: 404, code: 'not_found' })
    expectProblem(await remove(id), { status: 404, code: 'not_found' })
  })

  it.each(['GET', 'PATCH', 'DELETE'] as const)(
    'of another tenant are as if they had never been: %s',
    async (method) => {
      const id = await add()
      const stranger = await TestUser.register(app)
      for (const named of [id, newId(), 'nonsense']) {
        const answer = await stranger.request({
          method,
          url: `/v1/mcp-servers/${named}`,
          ...(method === 'PATCH' && { payload: {} }),
        })
        expect(expectProblem(answer, { status: 404, code: 'not_found' }).detail).toBe('There is no such MCP server.')
      }
      expectProblem(await ask(id, stranger), { status: 404, code: 'not_found' })
    },
  )

  it('are listed in pages, newest first', async () => {
    const ids = [await add(), await add(), await add()].reverse()
    const first = (await owner.request({ url: '/v1/mcp-servers?limit=2' })).json()
    const rest = await owner.request({ url: `/v1/mcp-servers?limit=2&cursor=${first.nextCursor}` })
    expect([...first.data, ...rest.json().data].map(({ id }) => id)).toEqual(ids)
  })

  it('are read by members and viewers, and written by admins', async () => {
    const id = await add()
    for (const role of ['member', 'viewer']) {
      const someone = await TestUser.join(app, owner, role)
      expect((await get(id, someone)).statusCode).toBe(200)
      expectProblem(await post({ name: 'x', url: URL }, {}, someone), { status: 403, code: 'forbidden' })
      expectProblem(await patch(id, {}, someone), { status: 403, code: 'forbidden' })
      expectProblem(await remove(id, someone), { status: 403, code: 'forbidden' })
      expectProblem(await ask(id, someone), { status: 403, code: 'forbidden' })
    }
    expect((await post({ name: 'x', url: URL }, {}, await TestUser.join(app, owner, 'admin'))).statusCode).toBe(201)
  })

  it('leave a trail without their headers, and none of a change that is none', async () => {
    const id = await add({ headers: { Authorization: SECRET } })
    await patch(id, {})
    await patch(id, { headers: { 'x-key': 'an0ther-secret' } })
    await remove(id)
    const trail = events.ofType('mcp_server.').map((event) => (event as AuditedEvent).audit)
    const own = trail.filter(({ resource }) => resource.id === id)
    expect(own.map(({ action }) => action)).toEqual(['mcp_server_created', 'mcp_server_changed', 'mcp_server_deleted'])
    expect(own[1]).toMatchObject({
      before: { headerNames: ['Authorization'] },
      after: { headerNames: ['x-key'], areHeadersNew: true },
    })
    const log = await owner.request({ url: '/v1/audit-log' })
    expect(log.body).toContain('mcp_server_changed')
    expect(log.body).not.toMatch(/s3cr3t|an0ther/)
  })
})

describe('testing an MCP server', () => {
  it('lists its tools, anew each time', async () => {
    await using server = await TestMcpServer.start({
      token: 's3cr3t-of-the-tests',
      tools: [
        toolNamed('find', { annotations: { readOnlyHint: true } }),
        toolNamed('drop', {
          annotations: { destructiveHint: true, idempotentHint: true },
          inputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } },
        }),
      ],
    })
    const id = await add({ url: server.url, headers: { Authorization: SECRET } })
    expect((await ask(id)).json()).toEqual({
      ok: true,
      tools: [
        {
          name: 'find',
          description: 'Does find.',
          isIdempotent: true,
          isDestructive: false,
          areArgumentsChecked: true,
        },
        {
          name: 'drop',
          description: 'Does drop.',
          isIdempotent: true,
          isDestructive: true,
          areArgumentsChecked: false,
        },
      ],
    })
    await ask(id)
    expect(server.lists).toBe(2)
  })

  it('says what is wrong without our headers, though the server repeats them', async () => {
    await using server = await TestMcpServer.start({ token: 'right' })
    const id = await add({ url: server.url, headers: { Authorization: SECRET } })
    const answer = await ask(id)
    const { detail } = expectProblem(answer, { status: 502, code: 'tool_unavailable' })
    expect(detail).toMatch(/^The MCP server s-\S+ answered with HTTP status 401\.$/)
    expect(answer.body).not.toContain('s3cr3t')
  })
})
