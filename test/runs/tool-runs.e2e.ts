import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { ServerResponse } from 'node:http'
import { decide, setPolicy } from '../approvals/asked-approval.js'
import { TestMcpServer, textResult, toolNamed } from '../support/mcp-server.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestUser } from '../support/test-user.js'
import {
  addAgent,
  at,
  begin,
  getRun,
  logOf,
  loseLease,
  type Part,
  RunLab,
  runToEnd,
  until,
  whenAsked,
  whenDone,
} from './run-lab.js'
import { ToolServer } from './tool-server.js'

/** What `http_request` and `tool-result.ts` say. */
const MAX_TOOL_RESULT_CHARACTERS = 100_000

let lab: RunLab
let server: ToolServer
let user: TestUser

beforeAll(async () => {
  lab = await RunLab.start()
  server = await ToolServer.start()
})
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
})
beforeEach(async () => {
  user = await lab.user()
  server.reset()
})

interface Call {
  readonly name: string
  readonly arguments: object | string
}

const call = (path: string, rest: object = {}): Call => ({
  name: 'http_request',
  arguments: { method: 'GET', url: server.url(path), ...rest },
})
const post = (path: string, body: string): Call => call(path, { method: 'POST', body })

/** Makes these calls at once, and ends with what came of them. */
function caller(...calls: Call[]): Part {
  return ({ results }) => (results.length === 0 ? { toolCalls: calls } : { reply: 'Done.' })
}

/** An agent with `http_request` for the server. */
async function addCaller(config: object = {}, use: object = {}): Promise<void> {
  await addAgent(user, 'caller', {
    tools: [{ tool: 'http_request', config: { hosts: [server.host], ...config }, ...use }],
  })
}

/** What the model was told of its calls, in the end. */
const resultsTold = (): readonly string[] => lab.turnsOf('caller').at(-1)?.results ?? []

const stepsOf = (id: string) =>
  lab.app.sql('SELECT position, kind, status, name, request FROM run_steps WHERE run_id = $1 ORDER BY position', [id])

/** Keeps requests until they are let go. */
function holdAnswers(): { held: ServerResponse[]; letGo: () => void } {
  const held: ServerResponse[] = []
  server.reset((_request, response) => void held.push(response))
  return { held, letGo: () => held.forEach((response) => response.end('late')) }
}

/** Waits until the server has had so many requests. */
const served = (count: number) =>
  until(
    () => server.requests,
    (requests) => requests.length >= count,
  )

describe('a tool call', () => {
  it('sends the arguments that the model gave, and the model gets the result', async () => {
    await addCaller({ methods: ['POST'] })
    lab.cast({ caller: caller(post('/orders', '{"pieces":3}')) })
    const run = await runToEnd(user, 'caller')
    expect(run).toMatchObject({ status: 'completed', output: { text: 'Done.' } })
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/orders',
        body: '{"pieces":3}',
        headers: { 'content-type': 'application/json', 'idempotency-key': expect.stringContaining(run.id) },
      },
    ])
    expect(resultsTold()).toEqual(['HTTP 200\ncontent-type: text/plain\n\nAnswer to /orders'])
    const told = (await logOf(user, run.id)).filter(({ type }) => type.startsWith('tool.'))
    const which = { step: 2, callId: told[0]?.data['callId'], tool: 'http_request' }
    expect(told.map(({ type, data }) => [type, data])).toEqual([
      ['tool.called', { ...which, arguments: { method: 'POST', url: server.url('/orders'), body: '{"pieces":3}' } }],
      ['tool.finished', { ...which, status: 'completed' }],
    ])
  })

  it('that goes wrong is a result that says so, and the run goes on', async () => {
    await addCaller()
    server.reset((_request, response) => void response.writeHead(500).end('broken'))
    lab.cast({
      caller: caller(
        call('/'),
        call('/', { method: 'DELETE' }),
        { name: 'http_request', arguments: '{"method":' },
        { name: 'http_request', arguments: { method: 'GET', url: 'http://example.com/' } },
        { name: 'no_such_tool', arguments: {} },
      ),
    })
    const run = await runToEnd(user, 'caller')
    expect(run.status).toBe('completed')
    expect(resultsTold()).toEqual([
      'HTTP 500\n\nbroken',
      expect.stringMatching(/^The arguments do not match the input schema: .*method/),
      expect.stringContaining('/ must be an object'),
      expect.stringContaining('The URL must be of one of these hosts'),
      'There is no tool no_such_tool.',
    ])
    expect(server.requests).toHaveLength(1)
    expect((await stepsOf(run.id)).filter(({ kind }) => kind === 'tool').map(({ status }) => status)).toEqual(
      Array.from({ length: 5 }, () => 'failed'),
    )
  })

  it('does not wait for those beside it', async () => {
    await addCaller()
    const { held, letGo } = holdAnswers()
    lab.cast({ caller: caller(call('/a'), call('/b'), call('/c')) })
    const id = await begin(user, 'caller')
    await until(
      () => held.length,
      (count) => count === 3,
    )
    letGo()
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(resultsTold()).toHaveLength(3)
  })

  it('ends at its time limit, with a word to the model', async () => {
    await addCaller({ timeoutMs: 100 })
    holdAnswers()
    lab.cast({ caller: caller(call('/')) })
    expect(await runToEnd(user, 'caller')).toMatchObject({ status: 'completed' })
    expect(resultsTold()).toEqual([expect.stringContaining('100 ms')])
  })

  it('ends with its run when that is cancelled', async () => {
    await addCaller()
    const { held } = holdAnswers()
    lab.cast({ caller: caller(call('/')) })
    const id = await begin(user, 'caller')
    await served(1)
    const closed = new Promise((resolve) => held[0]?.on('close', resolve))
    await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    expect(await whenDone(user, id)).toMatchObject({ status: 'cancelled' })
    await closed
    expect((await stepsOf(id)).at(-1)).toMatchObject({ kind: 'tool', status: 'cancelled' })
  })

  it('gives a model only so much of a huge result', async () => {
    await addCaller()
    server.reset((_request, response) => void response.setHeader('content-type', 'text/plain').end('x'.repeat(300_000)))
    lab.cast({ caller: caller(call('/')) })
    const run = await runToEnd(user, 'caller')
    expect(run.status).toBe('completed')
    const [result = ''] = resultsTold()
    expect(result).toMatch(/x\n\[cut: the first 100000 of \d+ characters\]$/)
    expect(result.length).toBeLessThan(MAX_TOOL_RESULT_CHARACTERS + 100)
  })

  it('may bring back what no database can hold', async () => {
    await addCaller()
    server.reset((_request, response) => void response.setHeader('content-type', 'text/plain').end('a\0b'))
    lab.cast({ caller: caller(call('/')) })
    expect(await runToEnd(user, 'caller')).toMatchObject({ status: 'completed' })
    expect(resultsTold()).toEqual([expect.stringMatching(/a\uFFFDb$/)])
  })

  it('sends what the journal has, so that a repetition would send the same', async () => {
    await addCaller({ methods: ['POST'] })
    lab.cast({ caller: caller(post('/', 'a\0b\uD800')) })
    const run = await runToEnd(user, 'caller')
    expect(server.requests).toMatchObject([{ body: 'a\uFFFDb\uFFFD' }])
    expect((await stepsOf(run.id))[1]).toMatchObject({ request: { arguments: { body: 'a\uFFFDb\uFFFD' } } })
  })
})

describe('a tool that a person must allow', () => {
  const asking = { requireApproval: true }

  it('is called with exactly what was approved, and not before', async () => {
    await addCaller({ methods: ['POST'] }, asking)
    lab.cast({ caller: caller(post('/orders', '{"pieces": 3, "price": 1.50}')) })
    const id = await begin(user, 'caller')
    const approval = await whenAsked(user, id)
    expect(approval).toMatchObject({
      agent: 'caller',
      reason: 'tool',
      tool: 'http_request',
      requestedBy: user.userId,
      arguments: { method: 'POST', url: server.url('/orders'), body: '{"pieces": 3, "price": 1.50}' },
    })
    expect(server.requests).toEqual([])
    expect((await decide(user, 'approve', approval.id)).statusCode).toBe(200)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(server.requests).toMatchObject([{ body: '{"pieces": 3, "price": 1.50}' }])
    const told = (await logOf(user, id)).filter(({ type }) => type.startsWith('approval.'))
    const which = { step: 2, approvalId: approval.id, tool: 'http_request' }
    expect(told.map(({ type, data }) => [type, data])).toEqual([
      ['approval.requested', { ...which, reason: 'tool', argumentsHash: approval.argumentsHash }],
      ['approval.decided', { ...which, status: 'approved', isGranted: true, comment: null }],
    ])
  })

  it('is not called when it is rejected: the model is told, with the comment', async () => {
    await addCaller({}, asking)
    lab.cast({ caller: caller(call('/')) })
    const id = await begin(user, 'caller')
    const { id: approvalId } = await whenAsked(user, id)
    await decide(user, 'reject', approvalId, { payload: { comment: 'Too dear.' } })
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed', output: { text: 'Done.' } })
    expect(server.requests).toEqual([])
    expect(resultsTold()).toEqual(['A person did not allow this call; it was not made. Comment: Too dear.'])
  })

  it('does not keep others from being called meanwhile', async () => {
    await addAgent(user, 'caller', {
      tools: [
        { tool: 'http_request', config: { hosts: [server.host] } },
        { tool: 'http_request', config: { hosts: [server.host], name: 'guarded' }, requireApproval: true },
      ],
    })
    lab.cast({ caller: caller({ ...call('/guarded'), name: 'guarded' }, call('/free')) })
    const id = await begin(user, 'caller')
    const approval = await whenAsked(user, id)
    expect(server.requests).toMatchObject([{ path: '/free' }])
    expect(lab.requestsOf('caller')).toHaveLength(1)
    await decide(user, 'approve', approval.id)
    await whenDone(user, id)
    // Once each, and told in the order of the calls.
    expect(server.requests).toMatchObject([{ path: '/free' }, { path: '/guarded' }])
    expect(resultsTold()).toEqual([
      expect.stringContaining('Answer to /guarded'),
      expect.stringContaining('Answer to /free'),
    ])
  })

  it('is not called when the question about it was taken back, whatever silence would mean', async () => {
    await setPolicy(user, { defaultDecision: 'approve' })
    await addAgent(user, 'caller', {
      tools: [
        { tool: 'http_request', config: { hosts: [server.host] } },
        { tool: 'http_request', config: { hosts: [server.host], name: 'guarded' }, requireApproval: true },
      ],
    })
    const { letGo } = holdAnswers()
    lab.cast({ caller: caller({ ...call('/guarded'), name: 'guarded' }, call('/free')) })
    const id = await begin(user, 'caller')
    await served(1)
    // What a cancellation on another replica does first: this one has not heard of it yet when the other call ends.
    await lab.app.sql(`UPDATE approvals SET status = 'expired' WHERE run_id = $1`, [id])
    letGo()
    await until(
      () => getRun(user, id),
      ({ status }) => status !== 'running',
    )
    await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    expect(await whenDone(user, id)).toMatchObject({ status: 'cancelled' })
    expect(server.requests).toMatchObject([{ path: '/free' }])
  })

  it('asks for each call, and goes on with what is decided while others wait', async () => {
    await addCaller({}, asking)
    lab.cast({ caller: caller(call('/first'), call('/second')) })
    const id = await begin(user, 'caller')
    const asked = await until(
      async () => (await user.request({ url: `/v1/approvals?runId=${id}` })).json().data as { id: string }[],
      (approvals) => approvals.length === 2,
    )
    const details = await Promise.all(
      asked.map(async (each) => (await user.request({ url: `/v1/approvals/${each.id}` })).json()),
    )
    const of = (path: string) => details.find((each) => each.arguments.url === server.url(path)).id
    await decide(user, 'approve', of('/second'))
    await served(1)
    await until(
      () => getRun(user, id),
      ({ status }) => status === 'waiting_approval',
    )
    await decide(user, 'reject', of('/first'))
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(server.requests).toMatchObject([{ path: '/second' }])
    expect(resultsTold()).toEqual([
      'A person did not allow this call; it was not made.',
      expect.stringContaining('Answer to /second'),
    ])
  })

  it('is asked for as it will be called, whatever characters the model gave that no database can hold', async () => {
    await addCaller({ methods: ['POST'] }, asking)
    lab.cast({ caller: caller(post('/', 'a\0b\uD800')) })
    const id = await begin(user, 'caller')
    const approval = await whenAsked(user, id)
    expect(approval.arguments).toMatchObject({ body: 'a\uFFFDb\uFFFD' })
    await decide(user, 'approve', approval.id)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(server.requests).toMatchObject([{ body: 'a\uFFFDb\uFFFD' }])
  })
})

describe('a tool call that a lost worker had begun', () => {
  it('is made again, as the same call, where that does no harm', async () => {
    await addCaller({ methods: ['GET', 'PUT'] })
    holdAnswers()
    lab.cast({ caller: caller(call('/thing', { method: 'PUT', body: 'x' })) })
    const id = await begin(user, 'caller')
    await served(1)
    await loseLease(lab.app, id)
    server.reset()
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed', attempt: 2 })
    expect(server.requests).toMatchObject([{ method: 'PUT', body: 'x' }])
    expect(resultsTold()).toEqual([expect.stringContaining('Answer to /thing')])
    expect(lab.requestsOf('caller')).toHaveLength(2)
    const calls = (await logOf(user, id)).filter(({ type }) => type === 'tool.called')
    expect(calls).toHaveLength(2)
    expect(calls[1]?.data).toEqual(calls[0]?.data)
    expect((await stepsOf(id)).map(({ kind, status }) => [kind, status])).toEqual([
      ['model', 'completed'],
      ['tool', 'completed'],
      ['model', 'completed'],
    ])
  })

  async function interruptedPost(): Promise<{ id: string; approvalId: string; firstKey: unknown }> {
    await addCaller({ methods: ['POST'] })
    holdAnswers()
    lab.cast({ caller: caller(post('/orders', 'x')) })
    const id = await begin(user, 'caller')
    const [first] = await served(1)
    await loseLease(lab.app, id)
    const approval = await whenAsked(user, id)
    expect(approval).toMatchObject({
      reason: 'outcome_unknown',
      tool: 'http_request',
      arguments: { method: 'POST', url: server.url('/orders'), body: 'x' },
    })
    expect(server.requests).toHaveLength(1)
    expect((await stepsOf(id))[1]).toMatchObject({ kind: 'tool', status: 'outcome_unknown' })
    server.reset()
    return { id, approvalId: approval.id, firstKey: first?.headers['idempotency-key'] }
  }

  it('is not repeated unless a person says so, and then with the same key', async () => {
    const { id, approvalId, firstKey } = await interruptedPost()
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(firstKey).toEqual(expect.stringContaining(id))
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([firstKey])
    expect(resultsTold()).toEqual([expect.stringContaining('Answer to /orders')])
  })

  it('is left at that when a person says no, and the model is told that nobody knows', async () => {
    const { id, approvalId } = await interruptedPost()
    await decide(user, 'reject', approvalId, { payload: { comment: 'It went through.' } })
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(server.requests).toEqual([])
    expect(resultsTold()).toEqual([
      'This call was interrupted: whether it took effect is not known. A person did not allow it to be repeated. Comment: It went through.',
    ])
  })
})

describe('a tool call that a replica had begun which is stopped', () => {
  it('is made again by another one, and costs no attempt', async () => {
    await using database = await createTestDatabase()
    await using other = await RunLab.start({ database })
    const stopped = await RunLab.start({ database })
    user = await stopped.user()
    await addCaller()
    holdAnswers()
    const parts = { caller: caller(call('/')) }
    stopped.cast(parts)
    other.cast(parts)
    const id = await begin(user, 'caller')
    await served(1)
    server.reset()
    await stopped[Symbol.asyncDispose]()
    expect(await whenDone(at(other.app, user), id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(server.requests).toHaveLength(1)
    // The answer that asked for the call is not asked for again.
    expect(other.simulator.totals.requests).toBe(1)
  })
})

describe('a tool of an MCP server', () => {
  const tools = [
    toolNamed('look', { annotations: { readOnlyHint: true } }),
    toolNamed('drop', {
      annotations: { destructiveHint: true },
      inputSchema: { type: 'object', properties: { table: { type: 'string' } }, required: ['table'] },
    }),
  ]

  async function addMcpCaller(mcp: TestMcpServer, use: object = {}): Promise<void> {
    const payload = { name: 'shop', url: mcp.url, headers: { Authorization: 'Bearer s3cr3t' } }
    const response = await user.request({ method: 'POST', url: '/v1/mcp-servers', payload })
    expect(response.statusCode).toBe(201)
    await addAgent(user, 'caller', { tools: [{ tool: 'mcp', config: { server: 'shop' }, ...use }] })
  }

  it('is offered, called with the credentials of its server, and its result told', async () => {
    await using mcp = await TestMcpServer.start({ token: 's3cr3t', tools, call: () => textResult('Seven.') })
    await addMcpCaller(mcp)
    lab.cast({
      caller: ({ results, tools: [look = ''] }) =>
        results.length === 0 ? { toolCalls: [{ name: look, arguments: {} }] } : { reply: 'Done.' },
    })
    expect(await runToEnd(user, 'caller')).toMatchObject({ status: 'completed' })
    expect(mcp.calls).toMatchObject([{ name: 'look', arguments: {} }])
    expect(resultsTold()).toEqual(['Seven.'])
  })

  it('waits for a person where the server calls it destructive', async () => {
    await using mcp = await TestMcpServer.start({ token: 's3cr3t', tools, call: () => textResult('Gone.') })
    await addMcpCaller(mcp)
    lab.cast({
      caller: ({ results, tools: [, drop = ''] }) =>
        results.length === 0 ? { toolCalls: [{ name: drop, arguments: { table: 'users' } }] } : { reply: 'Done.' },
    })
    const id = await begin(user, 'caller')
    const approval = await whenAsked(user, id)
    expect(approval).toMatchObject({ reason: 'tool', arguments: { table: 'users' } })
    expect(mcp.calls).toEqual([])
    await decide(user, 'approve', approval.id)
    await whenDone(user, id)
    expect(mcp.calls).toMatchObject([{ name: 'drop', arguments: { table: 'users' } }])
    expect(resultsTold()).toEqual(['Gone.'])
  })

  it('whose server is down fails the run before anything is spent', async () => {
    const mcp = await TestMcpServer.start({ tools })
    await addMcpCaller(mcp)
    await mcp[Symbol.asyncDispose]()
    lab.cast({ caller: caller() })
    const run = await runToEnd(user, 'caller')
    expect(run).toMatchObject({ status: 'failed', error: { code: 'tool_unavailable' }, usage: { totalTokens: 0 } })
    expect(lab.simulator.totals.requests).toBe(0)
  })

  it('whose server goes down between the list and the call is a result that says so', async () => {
    const mcp = await TestMcpServer.start({ token: 's3cr3t', tools })
    await addMcpCaller(mcp, { requireApproval: true })
    lab.cast({
      caller: ({ results, tools: [look = ''] }) =>
        results.length === 0 ? { toolCalls: [{ name: look, arguments: {} }] } : { reply: 'Done.' },
    })
    const id = await begin(user, 'caller')
    const approval = await whenAsked(user, id)
    await mcp[Symbol.asyncDispose]()
    await decide(user, 'approve', approval.id)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(resultsTold()).toEqual([expect.stringMatching(/shop/)])
  })
})
