import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { executionsOf, plantSchedule, plantSchedules } from '../support/schedule-rows.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { act, add, remove, YEARLY } from './schedule.js'

/** More than one look finds. */
const MANY = 600

let app: TestApp
let owner: TestUser
let neighbour: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
  neighbour = await TestUser.register(app)
})

afterAll(async () => {
  await app[Symbol.asyncDispose]()
})

it('fires a schedule while hundreds before it cannot be fired', async () => {
  await plantSchedules(app, owner, MANY, { cron: 'nonsense', dueInMs: -1000 })
  const schedule = await plantSchedule(app, neighbour)
  const executions = await eventually(
    () => executionsOf(app, schedule),
    ([first]) => first?.status === 'completed',
  )
  expect(executions).toHaveLength(1)
  await app.sql('DELETE FROM scheduled_tasks WHERE tenant_id = $1', [owner.tenantId])
})

it('has nothing to take note of when a run ends whose schedule is deleted', async () => {
  const { id } = await add(owner, { cron: YEARLY, input: { requireApproval: true } })
  const { runId } = (await act(owner, id, 'trigger')).json()
  expect((await remove(owner, id)).statusCode).toBe(204)
  await owner.request({ method: 'POST', url: `/v1/runs/${runId}/cancel` })
  const look = () => app.sql('SELECT status, is_uncounted FROM task_executions WHERE run_id = $1', [runId])
  const [execution] = await eventually(look, ([row]) => row?.['status'] === 'failed' && row['is_uncounted'] === false)
  expect(execution).toEqual({ status: 'failed', is_uncounted: false })
})

it('goes on from now where an ended schedule is given more executions', async () => {
  const schedule = await plantSchedule(app, owner, { everySeconds: 600, maxExecutions: 1 })
  await eventually(
    () => executionsOf(app, schedule),
    ([first]) => first?.status === 'completed',
  )
  // Long over: what would have been due since then never was.
  await app.sql(
    `UPDATE scheduled_tasks SET cursor_at = cursor_at - interval '10 days', anchor_at = anchor_at - interval '10 days'
                  WHERE id = $1`,
    [schedule.id],
  )
  const response = await owner.request({
    method: 'PATCH',
    url: `/v1/schedules/${schedule.id}`,
    payload: { maxExecutions: 5 },
  })
  expect(Date.parse(response.json().nextRunAt)).toBeGreaterThan(Date.parse(response.json().updatedAt))
  expect(await executionsOf(app, schedule)).toHaveLength(1)
})

it.each(['trigger', 'backfill', 'resume'])('takes the right to start runs: %s', async (action) => {
  const { id } = await add(owner, { cron: YEARLY })
  const created = await owner.request({
    method: 'POST',
    url: '/v1/api-keys',
    payload: { name: 'schedules only', scopes: ['schedules:write'] },
  })
  const payload = action === 'backfill' ? { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' } : undefined
  const ask = (name: string) =>
    app.inject({
      method: 'POST',
      url: `/v1/schedules/${id}/${name}`,
      headers: { 'x-api-key': created.json().key },
      ...(name === 'backfill' && payload && { payload }),
    })
  // To stop one takes no such right.
  expect((await ask('pause')).statusCode).toBe(200)
  const refused = await ask(action)
  expect([refused.statusCode, refused.json().detail]).toEqual([403, expect.stringContaining('runs:write')])
})
