import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { delegateTo, hasResults, LEAD } from '../support/delegating.js'
import { EventReader } from '../support/event-reader.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { listLog, type LogEntry, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

let simulator: ModelSimulator
let app: TestApp
let user: TestUser
let url: string

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: simulatorEnv(simulator) })
  url = await app.listen()
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const MODEL = ['step.started model', 'output.delta', 'step.finished model']

/** An event as these tests compare it; pieces of text that follow one another count as one. */
function storyOf(events: readonly Pick<LogEntry, 'type' | 'data'>[]): string[] {
  const told = events.map(({ type, data }) =>
    ['step.started', 'step.finished'].includes(type) ? `${type} ${String(data['kind'])}` : type,
  )
  return told.filter((line, index) => line !== 'output.delta' || told[index - 1] !== line)
}

/** Follows the run live on a socket, and again once it has ended, and polls its log: all three must tell this. */
async function expectStory(id: string, live: EventReader, story: readonly string[]): Promise<void> {
  const run = await whenFinished(user, id)
  await live.until(({ events }) =>
    events.some(({ type }) => type.startsWith('run.') && type !== 'run.started' && type !== 'run.delegated'),
  )
  await using replay = await EventReader.open(`${url}/v1/runs/${id}/events`, { token: user.accessToken })
  await replay.ended
  const log = await listLog(user, id)
  expect(storyOf(log)).toEqual(story)
  for (const reader of [live, replay]) {
    expect(storyOf(reader.events)).toEqual(story)
    expect(reader.ids).toEqual(reader.ids.map((_, index) => index + 1))
    expect(reader.text).toBe(run.output?.text)
  }
  expect(log.at(-1)?.sequence).toBe(replay.ids.at(-1))
}

async function start(payload: object, agent = 'developer'): Promise<{ id: string; live: EventReader }> {
  const live = await EventReader.open(`${url}/v1/agents/${agent}/run`, {
    token: user.accessToken,
    method: 'POST',
    body: payload,
  })
  return { id: String(live.response.headers.get('x-run-id')), live }
}

describe('the log, the live stream and the replay tell the same, numbered from 1 without a gap,', () => {
  it('of a plain run', async () => {
    simulator.reply('It is done.').set({ tokensPerSecond: 50 })
    const { id, live } = await start({ task: 'Do it.' })
    await using _ = live
    await expectStory(id, live, ['run.started', ...MODEL, 'run.completed'])
    const log = (await listLog(user, id)).filter(({ type }) => type !== 'output.delta')
    expect(log.map(({ data }) => data)).toMatchObject([
      { agent: 'developer', agentVersion: 1, model: 'openai/gpt-4o-mini' },
      { step: 1, kind: 'model', name: 'openai/gpt-4o-mini' },
      { step: 1, status: 'completed', model: 'openai/gpt-4o-mini', cache: 'off', usage: { outputTokens: 3 } },
      { usage: { outputTokens: 3 }, costUsd: expect.any(String), durationMs: expect.any(Number) },
    ])
  })

  it('of a run that fails', async () => {
    simulator.set({ failure: { status: 400 } })
    const { id, live } = await start({ task: 'Do it.' })
    await using _ = live
    const run = await whenFinished(user, id)
    const log = await listLog(user, id)
    expect(storyOf(log)).toEqual(['run.started', 'step.started model', 'step.finished model', 'run.failed'])
    expect(log.at(-1)?.data).toMatchObject({ error: run.error })
    expect(log.at(-2)?.data).toMatchObject({ status: 'failed' })
  })

  it('of a run that calls tools, of which one is made at a time for each call', async () => {
    const toolCalls = [{ name: 'nothing', arguments: { a: 1 } }]
    simulator.when((request) => (hasResults(request) ? { reply: 'Done.' } : { toolCalls }))
    const { id, live } = await start({ task: 'Call.' })
    await using _ = live
    await expectStory(id, live, [
      'run.started',
      'step.started model',
      'step.finished model',
      'step.started tool',
      'tool.called',
      'tool.finished',
      'step.finished tool',
      ...MODEL,
      'run.completed',
    ])
    const log = await listLog(user, id)
    expect(log.find(({ type }) => type === 'tool.called')?.data).toEqual({
      step: 2,
      callId: 'call_1_0',
      tool: 'nothing',
      arguments: { a: 1 },
    })
    expect(log.find(({ type }) => type === 'tool.finished')?.data).toEqual({
      step: 2,
      callId: 'call_1_0',
      tool: 'nothing',
      status: 'failed',
    })
  })

  it('of a run that delegates', async () => {
    delegateTo(simulator, ['One.', 'Two.'])
    const { id, live } = await start({ task: LEAD }, 'overseer')
    await using _ = live
    await expectStory(id, live, [
      'run.started',
      'step.started model',
      'step.finished model',
      'step.started delegation',
      'run.delegated',
      'step.started delegation',
      'run.delegated',
      'step.finished delegation',
      'step.finished delegation',
      ...MODEL,
      'run.completed',
    ])
  })

  it('of a run that a person allows', async () => {
    const { id, live } = await start({ task: 'Ask first.', requireApproval: true })
    await using _ = live
    await whenRun(user, id, ({ status }) => status === 'waiting_approval')
    const [approval] = (await user.request({ url: '/v1/approvals?status=pending' })).json().data
    const path = `/v1/approvals/${approval.id}/approve`
    await user.request({ method: 'POST', url: path, payload: { comment: 'Go.' } })
    await expectStory(id, live, [
      'run.started',
      'step.started approval',
      'approval.requested',
      'approval.decided',
      'step.finished approval',
      ...MODEL,
      'run.completed',
    ])
    const log = await listLog(user, id)
    expect(log.find(({ type }) => type === 'approval.decided')?.data).toMatchObject({
      approvalId: approval.id,
      status: 'approved',
      isGranted: true,
      comment: 'Go.',
    })
  })
})
