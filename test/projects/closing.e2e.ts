import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { ProjectDeleted, ProjectDirectory } from '#modules/projects'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import {
  act,
  add as addSchedule,
  backfill,
  patch as patchSchedule,
  post as postSchedule,
  remove as removeSchedule,
  YEARLY,
} from '../scheduler/schedule.js'
import { whenWaiting } from '../support/held-tenant.js'
import { expectProblem } from '../support/problem.js'
import { whenFinished } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, change, get, patch, remove } from './project.js'

const LONG_AGO = '2020-01-01T00:00:00Z'

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  user = await TestUser.register(app)
  await add(user)
})
afterAll(async () => app[Symbol.asyncDispose]())

/** A run that ends when somebody decides or cancels. */
const waitingRun = (project = 'website') =>
  user.run({ task: 'Ask first.', project, requireApproval: true }, { prefer: 'respond-async' })

async function cancel(runId: string): Promise<void> {
  await user.request({ method: 'POST', url: `/v1/runs/${runId}/cancel` })
  await whenFinished(user, runId)
}

const retry = (runId: string) => user.request({ method: 'POST', url: `/v1/runs/${runId}/retry` })

/** Both ways to close a project: what stands in the way of the one stands in the way of the other. */
const CLOSINGS = [
  ['deleted', 204, () => remove(user, 'website')],
  ['archived', 200, () => patch(user, 'website', { archived: true })],
] as const

describe.each(CLOSINGS)('a project is not %s', (_what, status, close) => {
  it('while a run of it is active', async () => {
    const { id } = (await waitingRun()).json()
    const { detail } = expectProblem(await close(), { status: 409, code: 'project_in_use' })
    expect(detail).toContain('active runs:')
    expect((await get(user, 'website')).json().status).toBe('active')
    await cancel(id)
    expect((await close()).statusCode).toBe(status)
  })

  it('while a schedule of it waits for its time', async () => {
    const { id } = await addSchedule(user, { cron: YEARLY, project: 'website' })
    const { detail } = expectProblem(await close(), { status: 409, code: 'project_in_use' })
    expect(detail).toContain('active schedules:')
    await act(user, id, 'pause')
    expect((await close()).statusCode).toBe(status)
  })

  it('while an execution of an ended schedule waits for the one before it', async () => {
    const input = { requireApproval: true }
    const schedule = await addSchedule(user, { cron: YEARLY, overlap: 'queue', project: 'website', input })
    const running = (await act(user, schedule.id, 'trigger')).json()
    expect((await act(user, schedule.id, 'trigger')).json()).toMatchObject({ status: 'running', runId: null })
    await app.sql(
      `UPDATE scheduled_tasks SET next_run_at = NULL, next_nominal_at = NULL, ended_reason = 'no_more_times' WHERE id = $1`,
      [schedule.id],
    )
    const { detail } = expectProblem(await close(), { status: 409, code: 'project_in_use' })
    expect(detail).toContain('active runs and schedules:')
    expect((await removeSchedule(user, schedule.id)).statusCode).toBe(204)
    await cancel(running.runId)
    expect((await close()).statusCode).toBe(status)
  })

  it('for what is active in another project, or has ended', async () => {
    await add(user, { name: 'Shop' })
    await waitingRun('shop')
    await addSchedule(user, { cron: YEARLY, project: 'shop' })
    expect((await user.run({ task: 'Say hello.', project: 'website' })).json().status).toBe('completed')
    expect((await close()).statusCode).toBe(status)
  })
})

describe('an archived project', () => {
  beforeEach(async () => {
    await change(user, 'website', { archived: true })
  })

  it('takes no new runs until it is unarchived, whoever asks', async () => {
    expectProblem(await waitingRun(), { status: 409, code: 'project_archived' })
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 0 })
    await change(user, 'website', { archived: false })
    expect((await waitingRun()).statusCode).toBe(202)
  })

  it('takes no new schedules, paused ones neither, and none of another project', async () => {
    for (const active of [true, false]) {
      const answer = await postSchedule(user, { cron: YEARLY, project: 'website', active })
      expectProblem(answer, { status: 409, code: 'project_archived' })
    }
    const { id } = await addSchedule(user)
    expectProblem(await patchSchedule(user, id, { project: 'website' }), { status: 409, code: 'project_archived' })
    await change(user, 'website', { archived: false })
    expect((await patchSchedule(user, id, { project: 'website' })).json().project).toBe('website')
  })
})

describe.each([
  ['archived', 'project_archived', () => patch(user, 'website', { archived: true })],
  ['deleted', 'project_deleted', () => remove(user, 'website')],
])('of a project that is %s', (_what, code, close) => {
  it('no run is started anew, though another has its slug', async () => {
    const { id } = (await user.run({ task: 'Say hello.', project: 'website' })).json()
    await close()
    if (code === 'project_deleted') await add(user)
    expectProblem(await retry(id), { status: 409, code })
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 1 })
  })

  it('a paused schedule is neither resumed nor triggered, and can be taken out of it', async () => {
    const { id } = await addSchedule(user, { cron: YEARLY, project: 'website', active: false })
    await close()
    expect((await patchSchedule(user, id, { name: 'Renamed' })).statusCode).toBe(200)
    for (const answer of [
      await act(user, id, 'resume'),
      await patchSchedule(user, id, { active: true }),
      await act(user, id, 'trigger'),
    ]) {
      expectProblem(answer, { status: 409, code })
    }
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 0 })
    const moved = await patchSchedule(user, id, { active: true, project: null })
    expect(moved.json()).toMatchObject({ active: true, project: null })
  })

  it('a schedule that has ended is not given times again, and makes up for none', async () => {
    const schedule = await addSchedule(user, { cron: '@daily', project: 'website', maxExecutions: 1 })
    await app.sql(
      `UPDATE scheduled_tasks SET executions = 1, next_run_at = NULL, next_nominal_at = NULL, ended_reason = 'max_executions'
        WHERE id = $1`,
      [schedule.id],
    )
    await close()
    const revived = await patchSchedule(user, schedule.id, { maxExecutions: null })
    expectProblem(revived, { status: 409, code })
    const filled = await backfill(user, schedule.id, { from: LONG_AGO, to: '2020-01-02T12:00:00Z' })
    expectProblem(filled, { status: 409, code })
    expect((await user.request({ url: '/v1/runs/count' })).json()).toEqual({ count: 0 })
  })
})

describe('the runs of a deleted project', () => {
  it('keep showing its slug, and are found by it, also when another project has it', async () => {
    const { id: old } = (await user.run({ task: 'Say hello.', project: 'website' })).json()
    await remove(user, 'website')
    const ids = async (path: string): Promise<string[]> =>
      (await user.request({ url: `${path}?project=website` })).json().data.map(({ id }: { id: string }) => id)
    const counted = async (): Promise<number> =>
      (await user.request({ url: '/v1/runs/count?project=website' })).json().count
    expect([await ids('/v1/runs'), await counted()]).toEqual([[old], 1])
    await add(user)
    const { id: young } = (await user.run({ task: 'Say hello.', project: 'website' })).json()
    expect([await ids('/v1/runs'), await counted()]).toEqual([[young, old], 2])
    expect((await user.request({ url: `/v1/runs/${old}` })).json().project).toBe('website')
    expect((await user.request({ url: '/v1/runs' })).json().data).toHaveLength(2)
  })

  it('are not those of schedules either', async () => {
    const ids = async (): Promise<string[]> =>
      (await user.request({ url: '/v1/schedules?project=website' })).json().data.map(({ id }: { id: string }) => id)
    const { id } = await addSchedule(user, { cron: YEARLY, project: 'website', active: false })
    expect(await ids()).toEqual([id])
    await remove(user, 'website')
    await add(user)
    expect(await ids()).toEqual([])
    expect((await user.request({ url: `/v1/schedules/${id}` })).json().project).toBe('website')
  })
})

describe('of a run and the deletion of its project, at the same moment', () => {
  it('who deletes waits for the run that is being started, and finds it', async () => {
    const { tenantId } = user
    const projects = app.nest.get(ProjectDirectory, { strict: false })
    const deletion = await app.nest.get(Database).transaction({ tenantId }, async (tx) => {
      const projectId = await projects.claim('website', tx)
      const deleted = remove(user, 'website')
      await whenWaiting(app, 1)
      await tx.execute({
        text: `INSERT INTO runs (tenant_id, id, root_run_id, project_id, agent, agent_version, status, task, model, input, created_at)
               VALUES ($1, $2, $2, $3, 'developer', 1, 'waiting_approval', 'x', 'x', '{}', now())`,
        values: [tenantId, newId(), projectId],
      })
      return { deleted }
    })
    expectProblem(await deletion.deleted, { status: 409, code: 'project_in_use' })
  })

  it('who starts a run waits for the deletion, and finds no project', async () => {
    const started: Promise<Awaited<ReturnType<typeof waitingRun>>>[] = []
    app.nest.get(EventBus).subscribe(ProjectDeleted, async ({ tenantId }) => {
      if (tenantId !== user.tenantId || started.length > 0) return
      started.push(waitingRun())
      await whenWaiting(app, 1)
    })
    expect((await remove(user, 'website')).statusCode).toBe(204)
    expectProblem((await started[0])!, { status: 400, code: 'validation_failed', pointers: ['/project'] })
  })

  it('one has its way: 50 runs at once are in the project, or it is deleted and none is', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { id, slug } = await add(user, { name: `Round ${round}` })
      const before = Array.from({ length: round * 5 }, () => waitingRun(slug))
      const deletion = remove(user, slug)
      const after = Array.from({ length: 50 - before.length }, () => waitingRun(slug))
      const answers = await Promise.all([...before, ...after])
      const { statusCode } = await deletion
      const inside = await app.sql('SELECT id FROM runs WHERE project_id = $1', [id])
      const begun = answers.filter((answer) => answer.statusCode === 202)
      const refused = answers.filter((answer) => answer.statusCode === 400)
      expect([begun.length + refused.length, inside.length]).toEqual([50, begun.length])
      expect([round, statusCode, begun.length]).toEqual([round, ...(statusCode === 204 ? [204, 0] : [409, 50])])
    }
  })
})
