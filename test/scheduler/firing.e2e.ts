import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { at, getRun, RunLab } from '../runs/run-lab.js'
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
      next_run_at: new Date(Number(execution?.dueAt) + 3_600_000),
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

  it('loses no time and fires none twice while people change it on every replica', async () => {
    const schedule = await plantSchedule(lab.app, owner, { everySeconds: 1, overlap: 'allow', catchUpSeconds: 60 })
    const address = `/v1/schedules/${schedule.id}`
    const changes = lab.replicas.map(async (replica, index) => {
      for (let change = 0; change < 25; change += 1) {
        const payload = { task: `Go ${index}/${change}.`, jitterSeconds: 0 }
        const { statusCode } = await at(replica, owner).request({ method: 'PATCH', url: address, payload })
        expect([200, 503]).toContain(statusCode)
        await sleep(150)
      }
    })
    await Promise.all(changes)
    await owner.request({ method: 'POST', url: `${address}/pause` })
    const executions = await eventually(() => executionsOf(lab.app, schedule), allDone)
    const beats = executions.map(({ nominalAt }) => Number(nominalAt) - Number(executions[0]?.nominalAt))
    expect(beats).toEqual(beats.map((_, index) => index * 1000))
    expect(beats.length).toBeGreaterThan(3)
    expect(new Set(executions.map(({ status }) => status))).toEqual(new Set(['completed']))
  })
})
