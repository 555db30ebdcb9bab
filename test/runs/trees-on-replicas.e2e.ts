import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestUser } from '../support/test-user.js'
import {
  addAgent,
  at,
  begin,
  childrenOf,
  getRun,
  loseLease,
  type Part,
  RunLab,
  runToEnd,
  until,
  whenDone,
} from './run-lab.js'
import { ToolServer } from './tool-server.js'

const SLOW_MS = 2000

/** Two replicas with one slot each: whoever held it while his children work would hold them up for ever. */
let lab: RunLab
let user: TestUser

beforeAll(async () => {
  lab = await RunLab.start({ replicas: 2, env: { RUN_CONCURRENCY: '1' } })
})
afterAll(() => lab?.[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await lab.user()
})

const delegate = (agent: string, task: string) => ({ name: 'delegate', arguments: { agent, task } })

/** Gives tasks to this agent, so many at once, and ends with what came back. */
function boss(agent: string, children: number): Part {
  const toolCalls = Array.from({ length: children }, (_, index) => delegate(agent, `Task ${index}.`))
  return ({ results }) => (results.length === 0 ? { toolCalls } : { reply: results.join('\n') })
}

async function treeOf(rootRunId: string) {
  return lab.app.sql('SELECT id, status, lease_expires_at, queued_since FROM runs WHERE root_run_id = $1', [rootRunId])
}

describe('a tree of runs', () => {
  it('ends though there are fewer slots than it has levels, and counts all that it used', async () => {
    await addAgent(user, 'worker')
    await addAgent(user, 'manager', { delegates: ['worker'] })
    await addAgent(user, 'chief', { delegates: ['manager'] })
    lab.cast({
      chief: boss('manager', 2),
      manager: boss('worker', 3),
      worker: ({ task }) => ({ reply: `Did ${task}` }),
    })
    const run = await runToEnd(user, 'chief')
    expect(run.status).toBe('completed')
    const oneManager = ['Did Task 0.', 'Did Task 1.', 'Did Task 2.']
    expect(run.output?.text.split('\n')).toEqual([...oneManager, ...oneManager])
    const { promptTokens, completionTokens, requests } = lab.simulator.totals
    expect(run.usage).toMatchObject({ inputTokens: promptTokens, outputTokens: completionTokens })
    // Two for each who delegates, one for each who works.
    expect(requests).toBe(2 * (1 + 2) + 6)
    const states = (await treeOf(run.id)).map(({ status }) => status)
    expect(states).toEqual(Array.from({ length: 9 }, () => 'completed'))
  })

  it('is worked on by all replicas', async () => {
    lab.cast({ overseer: boss('developer', 2), developer: () => ({ reply: 'Done.', latencyMs: SLOW_MS }) })
    const run = await runToEnd(user, 'overseer')
    expect(run.status).toBe('completed')
    const [first, second] = lab.requestsOf('developer').map(({ receivedAt }) => receivedAt)
    // Each replica works on one run at a time.
    expect(Math.abs((first ?? 0) - (second ?? 0))).toBeLessThan(SLOW_MS)
  })

  it('goes on in the place in the queue that its root had', async () => {
    lab.cast({
      overseer: boss('developer', 2),
      developer: ({ task }) => ({ reply: task, latencyMs: 50 }),
      designer: () => ({ reply: 'Drawn.', latencyMs: 50 }),
    })
    const id = await begin(user, 'overseer')
    const later = await Promise.all(Array.from({ length: 12 }, () => begin(user, 'designer')))
    await whenDone(user, id)
    const others = await Promise.all(later.map((other) => whenDone(user, other)))
    const { finishedAt } = await getRun(user, id)
    // Only what was begun in the other slot meanwhile: each of the tree's steps goes before all that waits.
    const before = others.filter((other) => String(other.finishedAt) < String(finishedAt))
    expect(before.length).toBeLessThan(others.length / 2)
  })

  it('goes on after the parent was lost beside its child, without giving the task away again', async () => {
    await using server = await ToolServer.start()
    server.reset(() => undefined)
    await addAgent(user, 'chief', {
      delegates: ['developer'],
      tools: [{ tool: 'http_request', config: { hosts: [server.host] } }],
    })
    const call = { name: 'http_request', arguments: { method: 'GET', url: server.url('/') } }
    lab.cast({
      chief: ({ results }) =>
        results.length === 0 ? { toolCalls: [delegate('developer', 'Do it.'), call] } : { reply: results.join('\n') },
      developer: () => ({ reply: 'Done.' }),
    })
    const id = await begin(user, 'chief')
    await until(
      () => server.requests,
      (requests) => requests.length === 1,
    )
    const [child] = await until(
      () => childrenOf(user, id),
      ([first]) => first?.status === 'completed',
    )
    server.reset()
    await loseLease(lab.app, id)
    const run = await whenDone(user, id)
    expect(run).toMatchObject({ status: 'completed', attempt: 2 })
    expect(run.output?.text).toMatch(/^Done\.\nHTTP 200/)
    expect(await childrenOf(user, id)).toMatchObject([{ id: child?.id }])
    expect(lab.requestsOf('developer')).toHaveLength(1)
    expect(server.requests).toHaveLength(1)
  })
})

describe('trees that are cancelled at any moment, on either replica', () => {
  it('end whole: nothing is left that runs, waits or asks', async () => {
    await addAgent(user, 'careful', { requireApproval: true })
    await addAgent(user, 'worker')
    await addAgent(user, 'manager', { delegates: ['worker', 'careful'] })
    await addAgent(user, 'chief', { delegates: ['manager'] })
    lab.cast({
      chief: boss('manager', 2),
      manager: ({ results }) =>
        results.length === 0
          ? { toolCalls: [delegate('worker', 'Do it.'), delegate('careful', 'Do it.')] }
          : { reply: 'Done.' },
      worker: () => ({ reply: 'Done.', latencyMs: 5 }),
    })
    const trees = await Promise.all(
      Array.from({ length: 16 }, async (_, index) => {
        const id = await begin(user, 'chief')
        await sleep(index * 60)
        const requester = at(lab.replicas[index % 2] ?? lab.app, user)
        const response = await requester.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
        expect(response.statusCode).toBe(202)
        return id
      }),
    )
    for (const id of trees) {
      const tree = await until(
        () => treeOf(id),
        (runs) => runs.every(({ status }) => status === 'cancelled' || status === 'completed'),
      )
      expect(tree.every((run) => run['lease_expires_at'] === null && run['queued_since'] === null)).toBe(true)
      expect(tree.find((run) => run['id'] === id)).toMatchObject({ status: 'cancelled' })
    }
    const open = await user.request({ url: '/v1/approvals?status=pending' })
    expect(open.json().data).toEqual([])
    const steps = await lab.app.sql(`SELECT 1 FROM run_steps WHERE tenant_id = $1 AND status = 'running'`, [
      user.tenantId,
    ])
    expect(steps).toEqual([])
  })
})
