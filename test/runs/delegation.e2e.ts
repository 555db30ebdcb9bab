import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { costOf, TenantsSpendingRules } from '#modules/costs'
import { add as addProject } from '../projects/project.js'
import type { TestUser } from '../support/test-user.js'
import { addAgent, begin, childrenOf, getRun, logOf, type Part, RunLab, runToEnd, until, whenDone } from './run-lab.js'

const SLOW_MS = 800

let lab: RunLab
let user: TestUser

beforeAll(async () => {
  lab = await RunLab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await lab.user()
})

const delegate = (agent: string, task: string) => ({ name: 'delegate', arguments: { agent, task } })

/** Gives these tasks away at once, and ends with what came back, one result a line. */
function boss(...calls: ReturnType<typeof delegate>[]): Part {
  return ({ results }) => (results.length === 0 ? { toolCalls: calls } : { reply: results.join('\n') })
}

/** Calls a tool that there is not, over and over. */
const restless: Part = () => ({ toolCalls: [{ name: 'nothing', arguments: {} }] })

/** What the agent's model says that it was sent. */
const inputOf = (slug: string): number =>
  lab.requestsOf(slug).reduce((sum, { usage }) => sum + (usage?.promptTokens ?? 0), 0)

const outputOf = (run: { output: { text: string } | null }): string[] => run.output?.text.split('\n') ?? []

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const [row] = await lab.app.sql('SELECT * FROM runs WHERE id = $1', [id])
  if (!row) throw new Error('no such run')
  return row
}

describe('the overseer', () => {
  it('gives tasks to two agents at once, and gets what they deliver in the order in which it asked', async () => {
    lab.cast({
      overseer: boss(delegate('developer', 'Write it.'), delegate('qa-tester', 'Test it.')),
      developer: ({ task }) => ({ reply: `Done: ${task}`, latencyMs: SLOW_MS }),
      'qa-tester': ({ task }) => ({ reply: `Tested: ${task}`, latencyMs: SLOW_MS / 2 }),
    })
    await addProject(user, { name: 'Apollo' })
    const run = await runToEnd(user, 'overseer', { project: 'apollo', task: 'Make it.' })
    expect(run).toMatchObject({ status: 'completed', parentRunId: null })
    expect(outputOf(run)).toEqual(['Done: Write it.', 'Tested: Test it.'])

    const [developer, tester] = ['developer', 'qa-tester'].map((slug) => lab.requestsOf(slug)[0]?.receivedAt ?? 0)
    expect(Math.abs((developer ?? 0) - (tester ?? 0))).toBeLessThan(SLOW_MS / 2)
    const children = await childrenOf(user, run.id)
    expect(children).toMatchObject([
      { agent: 'developer', status: 'completed', parentRunId: run.id, project: 'apollo', task: 'Write it.' },
      { agent: 'qa-tester', status: 'completed', parentRunId: run.id, project: 'apollo', task: 'Test it.' },
    ])
    for (const { id } of children) expect(await rowOf(id)).toMatchObject({ user_id: user.userId, root_run_id: run.id })
    const count = await user.request({ url: `/v1/runs/count?parentRunId=${run.id}` })
    expect(count.json()).toEqual({ count: 2 })
    // Each agent sees its task, and nothing of the conversation that it comes from.
    expect(lab.turnsOf('developer')).toMatchObject([{ task: 'Write it.', results: [] }])
  })

  it('uses what its children use, to the token and to the last digit of the cost', async () => {
    lab.cast({
      overseer: boss(delegate('developer', 'Write it.'), delegate('qa-tester', 'Test it, and say so at length.')),
    })
    const run = await runToEnd(user, 'overseer')
    const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = lab.simulator.totals
    expect(run.usage).toEqual({
      inputTokens: promptTokens,
      cachedInputTokens: cachedTokens,
      outputTokens: completionTokens,
      reasoningTokens,
      totalTokens: promptTokens + completionTokens,
    })
    const rules = await lab.app.nest.get(TenantsSpendingRules).of(user.tenantId)
    const price = rules.findPrice('openai/gpt-4o-mini', new Date())
    const tokens = {
      inputTokens: promptTokens,
      cachedInputTokens: cachedTokens,
      cacheWriteTokens: 0,
      outputTokens: completionTokens,
      reasoningTokens,
    }
    expect(run.costUsd).toBe(price && costOf(tokens, price).toString())
    // Booked once each, under the run that made the call.
    const [booked] = await lab.app.sql(
      'SELECT sum(input_tokens)::integer AS input, count(DISTINCT run_id)::integer AS runs FROM cost_tracking WHERE tenant_id = $1',
      [user.tenantId],
    )
    expect(booked).toEqual({ input: promptTokens, runs: 3 })
  })

  it('tells of each delegation in its own events', async () => {
    lab.cast({ overseer: boss(delegate('developer', 'Write it.')) })
    const run = await runToEnd(user, 'overseer')
    const [child] = await childrenOf(user, run.id)
    const log = await logOf(user, run.id)
    const told = log.filter(({ type }) => type !== 'output.delta')
    expect(told.map(({ type }) => type)).toEqual([
      'run.started',
      'step.started',
      'step.finished',
      'step.started',
      'run.delegated',
      'step.finished',
      'step.started',
      'step.finished',
      'run.completed',
    ])
    expect(told[4]?.data).toEqual({ step: 2, runId: child?.id, agent: 'developer', task: 'Write it.' })
  })
})

describe('a delegation that comes to nothing', () => {
  it('is a result that says so, and the parent goes on', async () => {
    lab.cast({
      overseer: boss(delegate('developer', 'Fail.'), delegate('qa-tester', 'Test it.')),
      developer: () => ({ failure: { status: 400 } }),
      'qa-tester': () => ({ reply: 'Tested.' }),
    })
    const run = await runToEnd(user, 'overseer')
    expect(run.status).toBe('completed')
    expect(outputOf(run)).toEqual([expect.stringMatching(/^The agent did not deliver: model_failed: ./), 'Tested.'])
    expect(await childrenOf(user, run.id)).toMatchObject([
      { status: 'failed', error: { code: 'model_failed' } },
      { status: 'completed' },
    ])
  })

  it('may have been cancelled by somebody', async () => {
    lab.cast({ overseer: boss(delegate('developer', 'Hang.')), developer: () => ({ hang: 'before-headers' }) })
    const id = await begin(user, 'overseer')
    await lab.simulator.received(2)
    const [child] = await childrenOf(user, id)
    const response = await user.request({ method: 'POST', url: `/v1/runs/${child?.id}/cancel` })
    expect(response.statusCode).toBe(202)
    const run = await whenDone(user, id)
    expect(run).toMatchObject({ status: 'completed', output: { text: 'The agent did not deliver: it was cancelled' } })
  })

  it('is refused for an agent that there is not, or that it may not delegate to, and for arguments that are none', async () => {
    await addAgent(user, 'chief', { delegates: ['developer'] })
    lab.cast({
      chief: ({ results }) =>
        results.length > 0
          ? { reply: results.join('\n---\n') }
          : {
              toolCalls: [
                delegate('nobody-at-all', 'Do it.'),
                delegate('qa-tester', 'Do it.'),
                delegate('developer', ' '),
                { name: 'delegate', arguments: { agent: 'developer' } },
                { name: 'delegate', arguments: '{"agent":' },
                delegate('developer', 'Do it.'),
              ],
            },
      developer: () => ({ reply: 'Done.' }),
    })
    const run = await runToEnd(user, 'chief')
    expect(run.output?.text.split('\n---\n')).toEqual([
      'There is no agent nobody-at-all that you may delegate to.',
      'There is no agent qa-tester that you may delegate to.',
      expect.stringContaining('task'),
      expect.stringContaining('task'),
      expect.stringContaining('expected object'),
      'Done.',
    ])
    expect(await childrenOf(user, run.id)).toHaveLength(1)
  })

  it('passes a task on as well as a database can hold it', async () => {
    lab.cast({ overseer: boss(delegate('developer', 'a\0b\uD800')), developer: ({ task }) => ({ reply: task }) })
    const run = await runToEnd(user, 'overseer')
    expect(run).toMatchObject({ status: 'completed', output: { text: 'a\uFFFDb\uFFFD' } })
  })

  it('is refused where it would come back to an agent in its own line', async () => {
    await addAgent(user, 'left')
    await addAgent(user, 'right', { delegates: ['left'] })
    await user.request({ method: 'PATCH', url: '/v1/agents/left', payload: { delegates: ['right'] } })
    lab.cast({
      left: boss(delegate('right', 'Over to you.')),
      right: boss(delegate('left', 'Back to you.'), delegate('right', 'To myself.')),
    })
    const run = await runToEnd(user, 'left')
    expect(outputOf(run)).toEqual([
      'left is at work on this already: a task must not come back to who gave it.',
      'right is at work on this already: a task must not come back to who gave it.',
    ])
    expect(await childrenOf(user, run.id)).toHaveLength(1)
  })

  it('is refused below the third level, where the tool is not offered any more', async () => {
    const line = ['first', 'second', 'third', 'fourth', 'fifth']
    for (const slug of line.toReversed()) {
      const next = line[line.indexOf(slug) + 1]
      await addAgent(user, slug, next === undefined ? {} : { delegates: [next] })
    }
    lab.cast({
      first: boss(delegate('second', '2')),
      second: boss(delegate('third', '3')),
      third: boss(delegate('fourth', '4')),
      fourth: boss(delegate('fifth', '5')),
    })
    const run = await runToEnd(user, 'first')
    expect(run.output?.text).toBe('Tasks are passed on at most 3 times; do this one yourself.')
    expect(lab.turnsOf('third')[0]?.tools).toEqual(['delegate'])
    expect(lab.turnsOf('fourth')[0]?.tools).toEqual([])
    expect(lab.turnsOf('fifth')).toEqual([])
  })

  it('is refused from the twenty-first on', async () => {
    const calls = Array.from({ length: 21 }, (_, index) => delegate('developer', `Part ${index}.`))
    lab.cast({ overseer: boss(...calls), developer: ({ task }) => ({ reply: task }) })
    const run = await runToEnd(user, 'overseer')
    expect(outputOf(run)).toEqual([
      ...calls.slice(0, 20).map((call) => call.arguments.task),
      'A run delegates to at most 20 others.',
    ])
    expect(await childrenOf(user, run.id)).toHaveLength(20)
  })
})

describe('the limits of a run', () => {
  it('hold its whole tree to so many steps', async () => {
    lab.cast({
      overseer: boss(delegate('developer', 'Run on.'), delegate('designer', 'Run on.')),
      developer: restless,
      designer: restless,
    })
    const run = await runToEnd(user, 'overseer', { limits: { maxSteps: 13 } })
    expect(run.status).toBe('completed')
    expect(outputOf(run)).toEqual([
      expect.stringMatching(/^The agent did not deliver: limit_exceeded/),
      expect.stringMatching(/^The agent did not deliver: limit_exceeded/),
    ])
    expect((await rowOf(run.id))['steps']).toBeLessThanOrEqual(13)
  })

  it('hold where it calls tools in the same breath', async () => {
    const tools = Array.from({ length: 6 }, () => ({ name: 'nothing', arguments: {} }))
    lab.cast({
      overseer: ({ results }) =>
        results.length === 0 ? { toolCalls: [delegate('developer', 'Run on.'), ...tools] } : { reply: 'Done.' },
      developer: restless,
    })
    const run = await runToEnd(user, 'overseer', { limits: { maxSteps: 12 } })
    expect(run.status).toBe('completed')
    expect((await rowOf(run.id))['steps']).toBeLessThanOrEqual(12)
  })

  it('hold its whole tree to so many tokens', async () => {
    const greedy: Part = ({ maxTokens = 100_000 }) => ({
      toolCalls: [{ name: 'nothing', arguments: {} }],
      usage: { completionTokens: maxTokens },
    })
    lab.cast({
      overseer: (turn) => ({
        ...boss(delegate('developer', 'Talk.'), delegate('designer', 'Talk.'))(turn),
        usage: { completionTokens: 10 },
      }),
      developer: greedy,
      designer: greedy,
    })
    const run = await runToEnd(user, 'overseer', { limits: { maxTokens: 100 } })
    expect(run.status).toBe('completed')
    // A third of what is left to each of the three.
    expect(lab.turnsOf('developer').map(({ maxTokens }) => maxTokens)).toEqual([30])
    expect(run.usage.outputTokens).toBe(10 + 30 + 30 + 10)
  })

  it('leave nothing to give away where there is less than a token for each', async () => {
    lab.cast({
      overseer: () => ({
        toolCalls: [delegate('developer', 'Talk.'), delegate('designer', 'Talk.')],
        usage: { completionTokens: 9 },
      }),
    })
    const run = await runToEnd(user, 'overseer', { limits: { maxTokens: 10 } })
    expect(run).toMatchObject({ status: 'failed', error: { code: 'limit_exceeded' }, usage: { outputTokens: 9 } })
    expect(await childrenOf(user, run.id)).toEqual([])
  })

  it('hold its whole tree to so much money', async () => {
    const greedy: Part = ({ maxTokens = 100_000 }) => ({
      toolCalls: [{ name: 'nothing', arguments: {} }],
      usage: { completionTokens: maxTokens },
    })
    lab.cast({
      overseer: boss(delegate('developer', 'Spend.'), delegate('designer', 'Spend.')),
      developer: greedy,
      designer: greedy,
    })
    const run = await runToEnd(user, 'overseer', { limits: { maxCostUsd: '0.01' } })
    expect(run.status).toBe('completed')
    expect(Number(run.costUsd)).toBeGreaterThan(0.006)
    expect(Number(run.costUsd)).toBeLessThanOrEqual(0.01)
  })

  it('end a parent and what it has delegated when its time is over', async () => {
    lab.cast({ overseer: boss(delegate('developer', 'Hang.')), developer: () => ({ hang: 'before-headers' }) })
    const id = await begin(user, 'overseer', { limits: { timeoutSeconds: 1 } })
    const run = await whenDone(user, id)
    expect(run).toMatchObject({ status: 'failed', error: { code: 'run_timeout' } })
    const [child] = await childrenOf(user, id)
    await whenDone(user, child?.id ?? '')
    await lab.simulator.settled()
    expect(lab.requestsOf('developer').map(({ outcome }) => outcome)).toEqual(['disconnected'])
  })

  it('end a parent though its child has time left, which is cancelled', async () => {
    lab.cast({ overseer: boss(delegate('developer', 'Hang.')), developer: () => ({ hang: 'before-headers' }) })
    const id = await begin(user, 'overseer')
    await lab.simulator.received(2)
    await lab.app.sql(`UPDATE runs SET deadline_at = now() - interval '1 s' WHERE id = $1`, [id])
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed', error: { code: 'run_timeout' } })
    const [child] = await childrenOf(user, id)
    expect(await whenDone(user, child?.id ?? '')).toMatchObject({ status: 'cancelled' })
    await lab.simulator.settled()
    expect(lab.requestsOf('developer').map(({ outcome }) => outcome)).toEqual(['disconnected'])
  })

  it('are those of the agent as well that is delegated to', async () => {
    await addAgent(user, 'hasty', { limits: { timeoutSeconds: 1 } })
    lab.cast({ overseer: boss(delegate('hasty', 'Hang.')), hasty: () => ({ hang: 'before-headers' }) })
    const run = await runToEnd(user, 'overseer', { limits: { timeoutSeconds: 60 } })
    expect(run.status).toBe('completed')
    expect(outputOf(run)).toEqual([expect.stringMatching(/^The agent did not deliver: run_timeout/)])
  })
})

describe('cancelling a parent', () => {
  it('cancels all below it, and what those have used counts', async () => {
    await addAgent(user, 'middle', { delegates: ['developer'] })
    await addAgent(user, 'top', { delegates: ['middle'] })
    lab.cast({
      top: boss(delegate('middle', 'Pass it on.')),
      middle: boss(delegate('developer', 'Hang.')),
      developer: () => ({ hang: 'before-headers' }),
    })
    const id = await begin(user, 'top')
    await lab.simulator.received(3)
    expect((await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })).statusCode).toBe(202)
    expect(await whenDone(user, id)).toMatchObject({ status: 'cancelled' })
    const [middle] = await childrenOf(user, id)
    const [developer] = await childrenOf(user, middle?.id ?? '')
    for (const child of [middle, developer]) {
      expect(await whenDone(user, child?.id ?? '')).toMatchObject({ status: 'cancelled' })
    }
    await lab.simulator.settled()
    expect(lab.requestsOf('developer').map(({ outcome }) => outcome)).toEqual(['disconnected'])
    const run = await getRun(user, id)
    const parts = await Promise.all([middle, developer].map((child) => getRun(user, child?.id ?? '')))
    expect(run.usage.inputTokens).toBe((parts[0]?.usage.inputTokens ?? 0) + inputOf('top'))
    expect(parts[0]?.usage.inputTokens).toBe((parts[1]?.usage.inputTokens ?? 0) + inputOf('middle'))
  })
})

describe('a tree whose worker is lost', () => {
  it('is resumed without delegating again', async () => {
    await addAgent(user, 'chief', { delegates: ['developer', 'designer'] })
    let isFree = false
    lab.cast({
      chief: boss(delegate('developer', 'Write it.'), delegate('designer', 'Draw it.')),
      developer: () => (isFree ? { reply: 'Written.' } : { hang: 'before-headers' }),
      designer: () => ({ reply: 'Drawn.' }),
    })
    const id = await begin(user, 'chief')
    const [developer] = await until(
      () => childrenOf(user, id),
      (children) => children.length === 2,
    )
    await until(
      () => lab.requestsOf('developer').length,
      (requests) => requests === 1,
    )
    isFree = true
    // The parent, as if its worker had died just before it let go; and the child that was being worked on.
    await lab.app.sql(
      `UPDATE runs SET lease_expires_at = now() - interval '1 s', fencing_number = fencing_number + 1 WHERE id = ANY ($1)`,
      [[id, developer?.id]],
    )
    const run = await whenDone(user, id)
    expect(run).toMatchObject({ status: 'completed', attempt: 2 })
    expect(outputOf(run)).toEqual(['Written.', 'Drawn.'])
    expect(await childrenOf(user, id)).toHaveLength(2)
    expect(lab.requestsOf('chief')).toHaveLength(2)
    expect(lab.requestsOf('designer')).toHaveLength(1)
  })
})
