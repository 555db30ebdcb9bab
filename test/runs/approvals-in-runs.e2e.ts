import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { decide, letTimePass, setPolicy } from '../approvals/asked-approval.js'
import { Colleague } from '../support/colleague.js'
import { createTestDatabase } from '../support/test-database.js'
import type { TestUser } from '../support/test-user.js'
import {
  addAgent,
  approvalsOf,
  at,
  begin,
  getRun,
  logOf,
  type Part,
  RunLab,
  whenAsked,
  whenChildWaits,
  whenDone,
} from './run-lab.js'
import { ToolServer } from './tool-server.js'

/** Long enough for a sweep of runs, which comes every two seconds. */
const SWEEP_MS = 2200
const ASKING = { requireApproval: true }

let lab: RunLab
let user: TestUser

beforeAll(async () => {
  lab = await RunLab.start({ replicas: 2 })
})
afterAll(() => lab?.[Symbol.asyncDispose]())
beforeEach(async () => {
  user = await lab.user()
  lab.cast({})
})

const delegating = (agent: string) => ({
  overseer: ({ results }: { results: readonly string[] }) =>
    results.length === 0
      ? { toolCalls: [{ name: 'delegate', arguments: { agent, task: 'Do it.' } }] }
      : { reply: results.join('\n') },
})

describe('a run that is to be approved', () => {
  it('sends nothing to a model before that, and then goes on', async () => {
    const id = await begin(user, 'developer', { ...ASKING, task: 'Drop it.', context: 'The table.' })
    const approval = await whenAsked(user, id)
    expect(approval).toMatchObject({
      agent: 'developer',
      reason: 'run',
      tool: null,
      requestedBy: user.userId,
      arguments: { agent: 'developer', task: 'Drop it.', context: 'The table.', model: 'openai/gpt-4o-mini' },
    })
    expect(lab.simulator.totals.requests).toBe(0)
    await decide(user, 'approve', approval.id)
    const run = await whenDone(user, id)
    expect(run).toMatchObject({ status: 'completed', attempt: 1 })
    expect(run.output?.text).toContain('Drop it.')
    expect((await logOf(user, id)).map(({ type }) => type).filter((type) => type !== 'output.delta')).toEqual([
      'run.started',
      'step.started',
      'approval.requested',
      'approval.decided',
      'step.finished',
      'step.started',
      'step.finished',
      'run.completed',
    ])
  })

  it('may have to be because of its agent', async () => {
    await addAgent(user, 'careful', ASKING)
    const id = await begin(user, 'careful')
    const approval = await whenAsked(user, id)
    expect(approval).toMatchObject({ agent: 'careful', reason: 'agent' })
    expect(lab.simulator.totals.requests).toBe(0)
    await decide(user, 'approve', approval.id)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
  })

  it('is answered with 202 when nobody decides while its client waits', async () => {
    const response = await user.run({ ...ASKING, task: 'Go.' }, { prefer: 'wait=1' })
    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ status: 'waiting_approval', output: null })
  })

  it('fails when it is rejected, with the comment', async () => {
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    await decide(user, 'reject', approvalId, { payload: { comment: 'Not today.' } })
    expect(await whenDone(user, id)).toMatchObject({
      status: 'failed',
      error: { code: 'approval_rejected', detail: 'A person rejected this run: Not today.' },
    })
    expect(lab.simulator.totals.requests).toBe(0)
  })

  it('fails when nobody decides in time, where that means no', async () => {
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    await letTimePass(lab.app, [approvalId])
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed', error: { code: 'approval_expired' } })
    expect(lab.simulator.totals.requests).toBe(0)
  })

  it('goes on when nobody decides in time, where that means yes', async () => {
    await setPolicy(user, { defaultDecision: 'approve' })
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    await letTimePass(lab.app, [approvalId])
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
  })

  it('goes on when it is approved on another replica', async () => {
    const [, other] = lab.replicas
    if (!other) throw new Error('there is one replica only')
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    expect((await decide(at(other, user), 'approve', approvalId)).statusCode).toBe(200)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
    expect(lab.simulator.totals.requests).toBe(1)
  })

  it('is decided once, whatever a second decision says', async () => {
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    const verbs = ['approve', 'reject'] as const
    const answers = await Promise.all(verbs.map((verb) => decide(user, verb, approvalId)))
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([200, 409])
    const isApproved = answers[0]?.statusCode === 200
    expect(await whenDone(user, id)).toMatchObject({ status: isApproved ? 'completed' : 'failed' })
  })

  it('takes its question back when it is cancelled', async () => {
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    const response = await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ status: 'cancelled' })
    expect(await approvalsOf(user, id, 'expired')).toMatchObject([{ id: approvalId, decidedAt: null }])
    expect((await decide(user, 'approve', approvalId)).statusCode).toBe(409)
    expect(await getRun(user, id)).toMatchObject({ status: 'cancelled' })
    expect(lab.simulator.totals.requests).toBe(0)
  })
})

describe('an approval', () => {
  it('is not for the requester where the tenant says so, but for somebody else', async () => {
    await setPolicy(user, { requesterMayDecide: false })
    const colleague = await Colleague.join(lab.app, user, 'admin')
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    expect((await decide(user, 'approve', approvalId)).statusCode).toBe(403)
    expect(await getRun(user, id)).toMatchObject({ status: 'waiting_approval' })
    expect((await decide(colleague, 'approve', approvalId)).statusCode).toBe(200)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
  })

  it('of a child is asked on behalf of whoever started the tree, and its requester may not decide it either', async () => {
    await addAgent(user, 'careful', ASKING)
    await setPolicy(user, { requesterMayDecide: false })
    lab.cast({ ...delegating('careful'), careful: () => ({ reply: 'Done.' }) })
    const id = await begin(user, 'overseer')
    await lab.simulator.received(1)
    const child = await whenChildWaits(user, id)
    const approval = await whenAsked(user, child.id)
    expect(approval.requestedBy).toBe(user.userId)
    expect((await decide(user, 'approve', approval.id)).statusCode).toBe(403)
  })

  it('allows nothing once its row says that something else was asked', async () => {
    const id = await begin(user, 'developer', ASKING)
    const { id: approvalId } = await whenAsked(user, id)
    await lab.app.sql(`UPDATE approvals SET arguments_hash = sha256('x') WHERE id = $1`, [approvalId])
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed', error: { code: 'approval_rejected' } })
    expect(lab.simulator.totals.requests).toBe(0)
  })

  it('allows nothing once the run is another one', async () => {
    const id = await begin(user, 'developer', { ...ASKING, task: 'Read it.' })
    const { id: approvalId } = await whenAsked(user, id)
    await lab.app.sql(`UPDATE runs SET task = 'Delete it.' WHERE id = $1`, [id])
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({
      status: 'failed',
      error: { code: 'approval_rejected', detail: 'What a person approved is not what this run is now.' },
    })
    expect(lab.simulator.totals.requests).toBe(0)
  })

  it('allows no call whose arguments are others by then, and the model is told', async () => {
    await using server = await ToolServer.start()
    await addAgent(user, 'caller', { tools: [{ tool: 'http_request', config: { hosts: [server.host] }, ...ASKING }] })
    const call = { name: 'http_request', arguments: { method: 'GET', url: server.url('/read') } }
    lab.cast({ caller: ({ results: [result] }) => (result === undefined ? { toolCalls: [call] } : { reply: result }) })
    const id = await begin(user, 'caller')
    const { id: approvalId } = await whenAsked(user, id)
    await lab.app.sql(
      `UPDATE run_steps SET result = jsonb_set(result, '{toolCalls,0,arguments,url}', to_jsonb($2::text)) WHERE run_id = $1 AND kind = 'model'`,
      [id, server.url('/delete')],
    )
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({
      status: 'completed',
      output: { text: 'What a person allowed is not what this call is now; it was not made.' },
    })
    expect(server.requests).toEqual([])
  })
})

describe('the clock', () => {
  it('of a run stands still while it waits for a person', async () => {
    const id = await begin(user, 'developer', { ...ASKING, limits: { timeoutSeconds: 1 } })
    const { id: approvalId } = await whenAsked(user, id)
    await sleep(1300)
    expect(await getRun(user, id)).toMatchObject({ status: 'waiting_approval' })
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed' })
  })

  it('of a parent stands still while its child waits for a person', async () => {
    await addAgent(user, 'careful', ASKING)
    lab.cast({ ...delegating('careful'), careful: () => ({ reply: 'Done.' }) })
    const id = await begin(user, 'overseer', { limits: { timeoutSeconds: 60 } })
    const child = await whenChildWaits(user, id)
    // As if that had been an hour ago.
    await lab.app.sql(
      `UPDATE runs SET waiting_since = waiting_since - interval '1 h', deadline_at = deadline_at - interval '1 h' WHERE root_run_id = $1`,
      [id],
    )
    await sleep(SWEEP_MS)
    expect(await getRun(user, id)).toMatchObject({ status: 'running' })
    const { id: approvalId } = await whenAsked(user, child.id)
    await decide(user, 'approve', approvalId)
    expect(await whenDone(user, id)).toMatchObject({ status: 'completed', output: { text: 'Done.' } })
  })
})

describe('a parent', () => {
  it('is told when its child was not allowed to begin, and goes on', async () => {
    await addAgent(user, 'careful', ASKING)
    lab.cast(delegating('careful'))
    const id = await begin(user, 'overseer')
    const child = await whenChildWaits(user, id)
    const { id: approvalId } = await whenAsked(user, child.id)
    await decide(user, 'reject', approvalId, { payload: { comment: 'No.' } })
    const run = await whenDone(user, id)
    expect(run).toMatchObject({
      status: 'completed',
      output: { text: 'The agent did not deliver: approval_rejected: A person rejected this run: No.' },
    })
    expect(lab.requestsOf('careful')).toEqual([])
  })

  it('takes the questions of its children back when it is cancelled', async () => {
    await addAgent(user, 'careful', ASKING)
    lab.cast(delegating('careful'))
    const id = await begin(user, 'overseer')
    const child = await whenChildWaits(user, id)
    const { id: approvalId } = await whenAsked(user, child.id)
    await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    expect(await getRun(user, id)).toMatchObject({ status: 'cancelled' })
    expect(await getRun(user, child.id)).toMatchObject({ status: 'cancelled' })
    expect((await decide(user, 'approve', approvalId)).statusCode).toBe(409)
  })
})

describe('a run that fails while a person is asked', () => {
  it('takes the question back', async () => {
    await using server = await ToolServer.start()
    server.reset(() => undefined)
    await addAgent(user, 'caller', {
      tools: [
        { tool: 'http_request', config: { hosts: [server.host] } },
        { tool: 'http_request', config: { hosts: [server.host], name: 'guarded' }, ...ASKING },
      ],
    })
    const args = { method: 'GET', url: server.url('/') }
    lab.cast({
      caller: () => ({ toolCalls: ['http_request', 'guarded'].map((name) => ({ name, arguments: args })) }),
    })
    // The other call never ends, so that the clock runs on.
    const id = await begin(user, 'caller', { limits: { timeoutSeconds: 1 } })
    expect(await whenDone(user, id)).toMatchObject({ status: 'failed', error: { code: 'run_timeout' } })
    const [approval] = await approvalsOf(user, id, 'expired')
    expect(approval).toMatchObject({ decidedAt: null })
    expect((await decide(user, 'approve', approval?.id ?? '')).statusCode).toBe(409)
  })
})

describe('a restart while runs wait', () => {
  it('loses none of them', async () => {
    await using database = await createTestDatabase()
    await using server = await ToolServer.start()
    const call = { name: 'http_request', arguments: { method: 'GET', url: server.url('/') } }
    const parts: Record<string, Part> = {
      ...delegating('careful'),
      careful: () => ({ reply: 'Done.' }),
      caller: ({ results }) => (results.length === 0 ? { toolCalls: [call] } : { reply: 'Called.' }),
    }
    const before = await RunLab.start({ database, replicas: 2 })
    const asker = await before.user()
    await addAgent(asker, 'caller', { tools: [{ tool: 'http_request', config: { hosts: [server.host] }, ...ASKING }] })
    await addAgent(asker, 'careful', ASKING)
    before.cast(parts)
    const whole = await begin(asker, 'developer', ASKING)
    const tool = await begin(asker, 'caller')
    const parent = await begin(asker, 'overseer')
    const child = await whenChildWaits(asker, parent)
    const approvals = await Promise.all([whole, tool, child.id].map((id) => whenAsked(asker, id)))
    await before[Symbol.asyncDispose]()

    await using after = await RunLab.start({ database })
    after.cast(parts)
    const again = at(after.app, asker)
    for (const { id } of approvals) expect((await decide(again, 'approve', id)).statusCode).toBe(200)
    const runs = await Promise.all([whole, tool, parent].map((id) => whenDone(again, id)))
    expect(runs).toMatchObject(Array.from({ length: 3 }, () => ({ status: 'completed', attempt: 1 })))
    expect(runs[2]?.output?.text).toBe('Done.')
    expect(server.requests).toHaveLength(1)
    // One for each, the child included: nothing that was finished before is asked for again.
    expect(after.simulator.totals.requests).toBe(4)
  })
})
