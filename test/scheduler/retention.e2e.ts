import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { ExecutionRetention } from '../../src/modules/scheduler/retention/execution-retention.job.js'
import { executionsOf, plantSchedule, type ScheduleKey } from '../support/schedule-rows.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

let app: TestApp
let owner: TestUser

beforeAll(async () => {
  app = await TestApp.start({ env: { SCHEDULE_RETENTION_DAYS: '30' } })
  owner = await TestUser.register(app)
})

afterAll(async () => {
  await app[Symbol.asyncDispose]()
})

async function plantExecution({ tenantId, id }: ScheduleKey, daysOld: number, status = 'skipped'): Promise<void> {
  await app.sql(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, status, queued_since, created_at, finished_at)
     SELECT $1, $2, $3, 'schedule', at, at, $5, CASE WHEN $5 = 'running' THEN at END, at, CASE WHEN $5 <> 'running' THEN at END
       FROM (SELECT now() - $4 * interval '1 day' AS at) AS moment`,
    [tenantId, newId(), id, daysOld, status],
  )
}

async function plantDeleted(): Promise<ScheduleKey> {
  const schedule = await plantSchedule(app, owner, { dueInMs: 86_400_000 })
  await app.sql(
    `UPDATE scheduled_tasks SET is_active = false, next_run_at = NULL, next_nominal_at = NULL, deleted_at = now() WHERE id = $1`,
    [schedule.id],
  )
  return schedule
}

it('deletes executions that have had their time, and no other', async () => {
  const schedule = await plantSchedule(app, owner, { dueInMs: 86_400_000 })
  for (const daysOld of [40, 31, 29]) await plantExecution(schedule, daysOld)
  await plantExecution(schedule, 35, 'running')
  await app.nest.get(ExecutionRetention).sweep()
  const kept = await executionsOf(app, schedule)
  expect(kept.map(({ status }) => status)).toEqual(['running', 'skipped'])
})

it('deletes a deleted schedule with the last of its executions, and not before', async () => {
  const [empty, other] = [await plantDeleted(), await plantDeleted()]
  await plantExecution(empty, 40)
  await plantExecution(other, 40)
  await plantExecution(other, 1)
  await app.nest.get(ExecutionRetention).sweep()
  const left = await app.sql('SELECT id FROM scheduled_tasks WHERE id = ANY($1)', [[empty.id, other.id]])
  expect(left).toEqual([{ id: other.id }])
})
