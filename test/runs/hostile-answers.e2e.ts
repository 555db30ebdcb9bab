import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { decide } from '../approvals/asked-approval.js'
import { EventReader } from '../support/event-reader.js'
import type { TestUser } from '../support/test-user.js'
import { addAgent, begin, childrenOf, type Part, RunLab, runToEnd, whenAsked, whenDone } from './run-lab.js'
import { ToolServer } from './tool-server.js'

/** What `answer-draft.ts` says. */
const MAX_ARGUMENTS_CHARACTERS = 256 * 1024
const MAX_RAW_ARGUMENTS_CHARACTERS = 10_000

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

const nested = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`

/** Says this at first, and what came of it in the end. */
function once(name: string, args: string): Part {
  return ({ results }) =>
    results.length === 0
      ? { toolCalls: [{ name, arguments: args }], usage: { completionTokens: 1000 } }
      : { reply: results.join('\n') }
}

async function addCaller(use: object = {}): Promise<void> {
  await addAgent(user, 'caller', { tools: [{ tool: 'http_request', config: { hosts: [server.host] }, ...use }] })
}

describe('a tool call with arguments that nobody could work with', () => {
  it.each([5000, 900_000])('is an error that the model is told, and is counted: nested %s deep', async (depth) => {
    await addCaller()
    lab.cast({ caller: once('http_request', nested(depth)) })
    const run = await runToEnd(user, 'caller')
    expect(run).toMatchObject({ status: 'completed', output: { text: expect.stringContaining('too deep') } })
    expect(run.usage.outputTokens).toBeGreaterThan(1000)
  })

  it('ends its stream as any other does', async () => {
    lab.cast({ developer: once('nope', nested(5000)) })
    const url = `${await lab.app.listen()}/v1/agents/developer/run`
    await using reader = await EventReader.open(url, { token: user.accessToken, method: 'POST', body: { task: 'Go.' } })
    expect(await reader.ended).toEqual({ whole: true })
    expect(reader.events.at(-1)).toMatchObject({ type: 'run.completed' })
  })

  it('can be asked about: as the beginning of its text, and at the size of the greatest object', async () => {
    const numbers = Array.from({ length: (MAX_ARGUMENTS_CHARACTERS - 8) / 5 }, () => '1e20').join()
    await addCaller({ requireApproval: true })
    for (const [given, asked] of [
      [nested(5000), '{"x":'.padEnd(MAX_RAW_ARGUMENTS_CHARACTERS, '[').slice(0, 5000 + 5)],
      [`{"x":[${numbers}]}`, { x: expect.any(Array) }],
    ] as const) {
      lab.cast({ caller: once('http_request', given) })
      const id = await begin(user, 'caller')
      const approval = await whenAsked(user, id)
      expect(approval.arguments).toEqual(typeof asked === 'string' ? expect.stringContaining(asked) : asked)
      await decide(user, 'approve', approval.id)
      expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    }
    expect(server.requests).toEqual([])
  })
})

describe('a call of a tool whose name cannot be one', () => {
  it.each([
    ['a million characters long', 'x'.repeat(1_000_000)],
    ['with a null character', 'a\0b'],
  ])('is an error that the model is told shortly, and is counted: %s', async (_, name) => {
    lab.cast({ developer: once(name, '{}') })
    const run = await runToEnd(user, 'developer')
    expect(run).toMatchObject({ status: 'completed', output: { text: 'There is no tool invalid_tool_name.' } })
    expect(run.usage.outputTokens).toBeGreaterThan(1000)
  })

  it('is counted though the library breaks the answer off over it: empty', async () => {
    lab.cast({ developer: once('', '{}') })
    const run = await runToEnd(user, 'developer', { limits: { maxSteps: 5 } })
    expect(run).toMatchObject({ status: 'failed', error: { code: 'model_failed' } })
    expect(run.usage.inputTokens).toBeGreaterThan(0)
  })
})

describe('a delegation with a null character in its task', () => {
  it('is given on without it', async () => {
    const call = { name: 'delegate', arguments: { agent: 'developer', task: 'Do\0it.' } }
    lab.cast({ overseer: ({ results }) => (results.length === 0 ? { toolCalls: [call] } : { reply: 'Done.' }) })
    const run = await runToEnd(user, 'overseer')
    expect(run).toMatchObject({ status: 'completed', output: { text: 'Done.' } })
    expect(await childrenOf(user, run.id)).toMatchObject([{ task: 'Do\uFFFDit.', status: 'completed' }])
  })
})
