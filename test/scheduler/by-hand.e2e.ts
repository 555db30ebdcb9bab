import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { backfillAnswerSchema } from '../../src/modules/scheduler/firing/backfill.schemas.js'
import { type Execution, executionSchema } from '../../src/modules/scheduler/executions/executions.schemas.js'
import { Colleague } from '../support/colleague.js'
import { eventually } from '../support/eventually.js'
import { createAgent } from '../support/own-agent.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { act, add, backfill, remove, show, YEARLY } from './schedule.js'

/** Nothing of it ends while a test looks. */
const HELD = { requireApproval: true }
const THREE_DAYS = { from: '2026-03-01T00:00:00Z', to: '2026-03-04T00:00:00Z' }

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

async function executionsOf(id: string): Promise<Execution[]> {
  return (await owner.request({ url: `/v1/schedules/${id}/executions` })).json().data
}

describe('triggering a schedule', () => {
  it('runs it now, also while it is paused, and tells where its execution is', async () => {
    const { id } = await add(owner, { cron: YEARLY, active: false })
    const response = await act(owner, id, 'trigger')
    expect(response.statusCode).toBe(202)
    const execution = executionSchema.parse(response.json())
    expect(execution).toMatchObject({ scheduleId: id, trigger: 'manual', status: 'running', reason: null })
    expect(response.headers['location']).toBe(`/v1/schedules/${id}/executions/${execution.id}`)
    const read = async () => (await owner.request({ url: String(response.headers['location']) })).json()
    const done = await eventually(read, ({ status }) => status !== 'running')
    expect(done).toEqual({ ...execution, status: 'completed', finishedAt: expect.any(String) })
    const run = (await owner.request({ url: `/v1/runs/${execution.runId}` })).json()
    expect(run).toMatchObject({ scheduleId: id, agent: 'developer', task: 'Write a report.', status: 'completed' })
    expect(await show(owner, id)).toMatchObject({ active: false, executions: 0, nextRunAt: null })
  })

  it('happens once for an Idempotency-Key', async () => {
    const { id } = await add(owner)
    const key = newId()
    const [first, again] = [await act(owner, id, 'trigger', key), await act(owner, id, 'trigger', key)]
    expect([again.statusCode, again.json(), again.headers['location']]).toEqual([
      202,
      first.json(),
      first.headers['location'],
    ])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(await executionsOf(id)).toHaveLength(1)
  })

  it('is skipped where the one before still runs and may not be beside another', async () => {
    const { id } = await add(owner, { cron: YEARLY, input: HELD })
    await act(owner, id, 'trigger')
    const response = await act(owner, id, 'trigger')
    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ status: 'skipped', reason: 'overlap', runId: null })
  })

  it('is in the name of who asks', async () => {
    const { id } = await add(owner, { cron: YEARLY, input: HELD })
    const { runId } = (await act(await Colleague.join(app, owner, 'member'), id, 'trigger')).json()
    const [run] = await app.sql('SELECT user_id FROM runs WHERE id = $1', [runId])
    expect(run?.['user_id']).not.toBe(owner.userId)
    expect((await show(owner, id)).runsAs.userId).toBe(owner.userId)
  })

  it('is refused where its agent is gone, and where there is no such schedule', async () => {
    const { slug } = (await createAgent(owner)).json()
    const { id } = await add(owner, { cron: YEARLY, agent: slug })
    expect((await owner.request({ method: 'DELETE', url: `/v1/agents/${slug}` })).statusCode).toBe(204)
    expectProblem(await act(owner, id, 'trigger'), { status: 409, code: 'schedule_unrunnable' })
    await remove(owner, id)
    for (const gone of [id, newId(), 'none']) {
      expectProblem(await act(owner, gone, 'trigger'), { status: 404, code: 'not_found' })
      expectProblem(await backfill(owner, gone, THREE_DAYS), { status: 404, code: 'not_found' })
    }
  })
})

describe('a backfill', () => {
  it('makes up for the due times of its window, the oldest first, each once', async () => {
    const { id } = await add(owner, { cron: '0 12 * * *', input: HELD })
    const response = await backfill(owner, id, THREE_DAYS)
    expect(response.statusCode).toBe(202)
    expect(backfillAnswerSchema.parse(response.json())).toEqual({ queued: 3, alreadyDone: 0 })
    const executions = await executionsOf(id)
    const [third, second, first] = ['04', '03', '02', '01'].slice(1).map((day) => `2026-03-${day}T12:00:00.000Z`)
    expect(executions.map(({ trigger, dueAt, reason }) => [trigger, dueAt, reason])).toEqual([
      ['backfill', third, 'queued'],
      ['backfill', second, 'queued'],
      ['backfill', first, null],
    ])
    expect((await backfill(owner, id, THREE_DAYS)).json()).toEqual({ queued: 0, alreadyDone: 3 })
    expect(await executionsOf(id)).toEqual(executions)
  })

  it('happens once for an Idempotency-Key', async () => {
    const { id } = await add(owner, { cron: '0 12 * * *', input: HELD })
    const key = newId()
    const first = await backfill(owner, id, THREE_DAYS, key)
    const again = await backfill(owner, id, THREE_DAYS, key)
    expect([again.statusCode, again.json()]).toEqual([202, first.json()])
    expect(again.headers['idempotent-replayed']).toBe('true')
  })

  it('is refused while the schedule is paused', async () => {
    const { id } = await add(owner, { cron: '@daily', active: false })
    expectProblem(await backfill(owner, id, THREE_DAYS), { status: 409, code: 'schedule_paused' })
  })

  it('is refused where more would wait than may', async () => {
    const { id } = await add(owner, { cron: '@hourly', input: HELD })
    const month = { from: '2026-03-01T00:00:00Z', to: '2026-04-01T00:00:00Z' }
    expect((await backfill(owner, id, month)).json().queued).toBe(744)
    const another = { from: '2026-04-01T00:00:00Z', to: '2026-05-01T00:00:00Z' }
    expectProblem(await backfill(owner, id, another), { status: 409, code: 'too_many_waiting' })
  })

  it.each<[string, object, string]>([
    ['that ends before it begins', { from: THREE_DAYS.to, to: THREE_DAYS.from }, '/to'],
    ['of the future', { from: '2026-03-01T00:00:00Z', to: '2099-01-01T00:00:00Z' }, '/to'],
    ['of more times than may wait', { from: '2020-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, '/to'],
    ['without a begin', { to: THREE_DAYS.to }, '/from'],
    ['without a zone', { ...THREE_DAYS, from: '2026-03-01T00:00:00' }, '/from'],
  ])('is refused for a window %s', async (_, window, pointer) => {
    const { id } = await add(owner, { cron: '0 12 * * *' })
    expectProblem(await backfill(owner, id, window), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })
})
