import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { eventually } from '../support/eventually.js'
import { executionsOf, plantSchedule, plantSchedules, type ScheduleKey } from '../support/schedule-rows.js'
import { withClient } from '../support/test-database.js'
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

it('fires a schedule while another of its tenant waits for a run that somebody holds', async () => {
  const runId = newId()
  const [stuck, other] = await plantSchedules(app, owner, 2, { overlap: 'cancel', dueInMs: 86_400_000 })
  await app.sql(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, schedule_id, created_at,
       started_at, deadline_at, lease_expires_at)
     VALUES ($1, $2, $2, 'developer', 1, 'running', 'Go.', 'offline/extractive', '{}', $3, now(), now(),
       now() + interval '1 day', now() + interval '1 day')`,
    [owner.tenantId, runId, stuck?.id],
  )
  await app.sql(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, run_id, created_at)
     VALUES ($1, $2, $3, 'manual', now(), now(), now(), 'running', $4, now())`,
    [owner.tenantId, newId(), stuck?.id, runId],
  )
  await withClient(app.database.url, async (holder) => {
    await holder.query('BEGIN')
    await holder.query('SELECT 1 FROM runs WHERE id = $1 FOR UPDATE', [runId])
    await app.sql(
      `UPDATE scheduled_tasks SET next_run_at = d.now, next_nominal_at = d.now, cursor_at = d.now - interval '1 hour',
              anchor_at = d.now - interval '1 hour'
         FROM (SELECT date_trunc('milliseconds', now()) AS now) AS d WHERE id = ANY($1)`,
      [[stuck?.id, other?.id]],
    )
    const executions = await eventually(
      () => executionsOf(app, other as ScheduleKey),
      ([first]) => first?.status === 'completed',
    )
    expect(executions).toHaveLength(1)
    expect(await executionsOf(app, stuck as ScheduleKey)).toHaveLength(1)
    await holder.query('ROLLBACK')
  })
  const replaced = await eventually(
    () => executionsOf(app, stuck as ScheduleKey),
    (all) => all.length === 2,
  )
  expect(replaced.map(({ trigger }) => trigger).toSorted()).toEqual(['manual', 'schedule'])
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
