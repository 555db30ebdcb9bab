import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { getRun, RunLab } from '../runs/run-lab.js'
import { eventually } from '../support/eventually.js'
import { executionsOf, plantSchedule, plantSchedules, scheduleRow } from '../support/schedule-rows.js'
import type { TestUser } from '../support/test-user.js'

let lab: RunLab
let owner: TestUser

beforeAll(async () => {
  lab = await RunLab.start({ replicas: 3 })
  owner = await lab.user()
})

afterAll(async () => {
  await lab[Symbol.asyncDispose]()
})

const allDone = (executions: { status: string }[]): boolean =>
  executions.length > 0 && executions.every(({ status }) => status !== 'running')

describe('a schedule that is due', () => {
  it('has one execution, whose run is made with it, and stands at its next time', async () => {
    const schedule = await plantSchedule(lab.app, owner, { everySeconds: 3600, dueInMs: 100 })
    const [execution] = await eventually(() => executionsOf(lab.app, schedule), allDone)
    expect(execution).toMatchObject({
      status: 'completed',
      reason: null,
      trigger: 'schedule',
    })
    expect(execution?.firedAt?.getTime()).toBeGreaterThanOrEqual(execution?.dueAt.getTime() ?? Infinity)
    const run = await getRun(owner, execution?.runId ?? '')
    expect(run).toMatchObject({ scheduleId: schedule.id, status: 'completed', agent: 'developer', task: 'Go.' })
    expect(await scheduleRow(lab.app, schedule)).toMatchObject({
      next_run_at: new Date(Number(before['next_run_at']) + 3_600_000),
      executions: '1',
    })
  })

  it('is fired once by three replicas, each of many of two tenants', async () => {
    const other = await lab.user()
    const planted = [
      ...(await plantSchedules(lab.app, owner, 150, { dueInMs: 300 })),
      ...(await plantSchedules(lab.app, other, 50, { dueInMs: 300 })),
    ]
    const ids = planted.map(({ id }) => id)
    const seen = () =>
      lab.app.sql(
        `SELECT count(*)::int AS executions, count(DISTINCT schedule_id)::int AS schedules, count(run_id)::int AS runs,
                count(*) FILTER (WHERE status = 'completed')::int AS completed
           FROM task_executions WHERE schedule_id = ANY($1)`,
        [ids],
      )
    const rows = await eventually(seen, ([row]) => row?.['completed'] === ids.length)
    expect(rows).toEqual([{ executions: 200, schedules: 200, runs: 200, completed: 200 }])
    expect(await lab.app.sql('SELECT count(*)::int AS runs FROM runs WHERE schedule_id = ANY($1)', [ids])).toEqual([
      { runs: 200 },
    ])
  })
})
