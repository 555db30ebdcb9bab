import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { SchedulePaused } from '#modules/scheduler'
import { newId } from '#kernel/ids.js'
import { getRun, RunLab } from '../runs/run-lab.js'
import { eventually } from '../support/eventually.js'
import { recordEvents } from '../support/recorded-events.js'
import {
  type ExecutionInRow,
  executionsOf,
  plantSchedule,
  plantSchedules,
  type ScheduleKey,
  scheduleRow,
} from '../support/schedule-rows.js'
import { TestApp } from '../support/test-app.js'
import type { TestUser } from '../support/test-user.js'

let lab: RunLab
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  lab = await RunLab.start()
  events = recordEvents(lab.app)
})

beforeEach(async () => {
  owner = await lab.user()
})

afterEach(async () => {
  await lab.app.sql('UPDATE scheduled_tasks SET is_active = false, next_run_at = NULL, next_nominal_at = NULL')
})

afterAll(async () => {
  await lab[Symbol.asyncDispose]()
})

const statuses = (executions: readonly ExecutionInRow[]) =>
  executions.map(({ status, reason }) => [status, reason].filter(Boolean).join(' '))
const isOver = ({ status }: ExecutionInRow): boolean => status !== 'running'

function whenOver(schedule: ScheduleKey, count: number): Promise<ExecutionInRow[]> {
  return eventually(
    () => executionsOf(lab.app, schedule),
    (executions) => executions.length >= count && executions.every(isOver),
  )
}

function whenPaused(schedule: ScheduleKey): Promise<Record<string, unknown>> {
  return eventually(
    () => scheduleRow(lab.app, schedule),
    (row) => row['is_active'] === false,
  )
}

const pausesOf = ({ id }: ScheduleKey) =>
  (events.ofType('schedule.paused') as SchedulePaused[]).filter(({ schedule }) => schedule.scheduleId === id)

describe('a due time while the execution before still runs', () => {
  it('is skipped, and says why (skip)', async () => {
    lab.cast({ developer: () => ({ latencyMs: 2500 }) })
    const schedule = await plantSchedule(lab.app, owner, { everySeconds: 1, overlap: 'skip' })
    const executions = await eventually(
      () => executionsOf(lab.app, schedule),
      (all) => all.filter(({ runId }) => runId !== null).length === 2,
    )
    const [first, second, ...others] = executions
    expect(first).toMatchObject({ status: 'completed' })
    expect(second).toMatchObject({ status: 'skipped', reason: 'overlap', runId: null })
    expect(others.at(-1)?.runId).not.toBeNull()
  })

  it('waits for it, and for those before itself (queue)', async () => {
    lab.cast({ designer: () => ({ latencyMs: 1300 }) })
    const schedule = await plantSchedule(lab.app, owner, {
      agent: 'designer',
      everySeconds: 1,
      overlap: 'queue',
      maxExecutions: 3,
    })
    const executions = await whenOver(schedule, 3)
    expect(statuses(executions)).toEqual(['completed', 'completed', 'completed'])
    const runs = await Promise.all(executions.map(({ runId }) => getRun(owner, runId ?? '')))
    for (const [index, run] of runs.slice(1).entries()) {
      expect(Date.parse(run.createdAt)).toBeGreaterThanOrEqual(Date.parse(runs[index]?.finishedAt ?? ''))
    }
    expect(await scheduleRow(lab.app, schedule)).toMatchObject({ executions: '3', ended_reason: 'max_executions' })
  })

  it('runs beside it (allow)', async () => {
    lab.cast({ devops: () => ({ latencyMs: 1500 }) })
    const schedule = await plantSchedule(lab.app, owner, {
      agent: 'devops',
      everySeconds: 1,
      overlap: 'allow',
      maxExecutions: 2,
    })
    const [first, second] = await whenOver(schedule, 2)
    expect(statuses([first, second] as ExecutionInRow[])).toEqual(['completed', 'completed'])
    expect(second?.firedAt?.getTime()).toBeLessThan(first?.finishedAt?.getTime() ?? 0)
  })

  it('takes its place (cancel)', async () => {
    let calls = 0
    lab.cast({ 'qa-tester': () => (++calls === 1 ? { hang: 'before-headers' } : {}) })
    const schedule = await plantSchedule(lab.app, owner, {
      agent: 'qa-tester',
      everySeconds: 1,
      overlap: 'cancel',
      maxExecutions: 2,
    })
    const executions = await whenOver(schedule, 2)
    expect(statuses(executions)).toEqual(['failed replaced', 'completed'])
    expect(await getRun(owner, executions[0]?.runId ?? '')).toMatchObject({ status: 'cancelled' })
    // Nobody found that it fails.
    expect(await scheduleRow(lab.app, schedule)).toMatchObject({ consecutive_failures: 0 })
  })

  it('is not held up by a run that has ended without a word', async () => {
    const schedule = await plantSchedule(lab.app, owner, { dueInMs: 86_400_000 })
    const runId = newId()
    await lab.app.sql(
      `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, schedule_id, error_code,
         created_at, finished_at)
       VALUES ($1, $2, $2, 'developer', 1, 'failed', 'Go.', 'openai/gpt-4o-mini', '{}', $3, 'attempts_exhausted', now(), now())`,
      [owner.tenantId, runId, schedule.id],
    )
    await lab.app.sql(
      `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, run_id, created_at)
       VALUES ($1, $2, $3, 'schedule', now(), now(), now(), 'running', $4, now())`,
      [owner.tenantId, newId(), schedule.id, runId],
    )
    await lab.app.sql(
      `UPDATE scheduled_tasks SET next_run_at = now(), next_nominal_at = now(), cursor_at = now() - interval '1 hour',
              anchor_at = date_trunc('milliseconds', now()) - interval '1 hour' WHERE id = $1`,
      [schedule.id],
    )
    expect(statuses(await whenOver(schedule, 2))).toEqual(['failed attempts_exhausted', 'completed'])
  })
})

describe('a schedule that fails', () => {
  it('is paused after so many failures in a row, and says so', async () => {
    lab.cast({ 'security-auditor': () => ({ failure: { status: 400 } }) })
    const schedule = await plantSchedule(lab.app, owner, {
      agent: 'security-auditor',
      everySeconds: 1,
      pauseAfterFailures: 2,
    })
    expect(await whenPaused(schedule)).toMatchObject({
      paused_reason: 'failures',
      consecutive_failures: 2,
      next_run_at: null,
    })
    expect(statuses(await executionsOf(lab.app, schedule))).toEqual(['failed model_failed', 'failed model_failed'])
    expect(pausesOf(schedule)).toMatchObject([{ reason: 'failures' }])
  })

  it('has an execution that failed for a run that cannot be', async () => {
    const schedule = await plantSchedule(lab.app, owner, { agent: 'nobody', maxExecutions: 1 })
    expect(statuses(await whenOver(schedule, 1))).toEqual(['failed agent_not_found'])
    expect(await scheduleRow(lab.app, schedule)).toMatchObject({ consecutive_failures: 1 })
  })

  it('does not hold up the others whose turn it is', async () => {
    const broken = await plantSchedule(lab.app, owner, { cron: 'nonsense', dueInMs: 100 })
    const others = await plantSchedules(lab.app, owner, 5, { dueInMs: 100 })
    for (const other of others) expect(statuses(await whenOver(other, 1))).toEqual(['completed'])
    expect(await executionsOf(lab.app, broken)).toEqual([])
  })
})

describe('in whose name a schedule runs', () => {
  it('is its maker, with his budget', async () => {
    const apiKeyId = await plantKey(['schedules:write', 'runs:write'])
    const budget = { scope: 'apiKey', scopeId: apiKeyId, period: 'total', limitUsd: '0' }
    await owner.request({ method: 'POST', url: '/v1/costs/budgets', payload: budget })
    const schedule = await plantSchedule(lab.app, owner, { apiKeyId, maxExecutions: 1 })
    expect(statuses(await whenOver(schedule, 1))).toEqual(['failed budget_exceeded'])
  })

  it.each([
    ['a key without the scope', () => plantKey(['runs:write'])],
    ['a key that may not start runs', () => plantKey(['schedules:write'])],
    ['a key that has expired', () => plantKey(['schedules:write', 'runs:write'], '-1 second')],
    ['a key that is gone', async () => newId()],
  ])('is nobody by %s: it is paused', async (_, makeKey) => {
    const schedule = await plantSchedule(lab.app, owner, { apiKeyId: await makeKey() })
    expect(await whenPaused(schedule)).toMatchObject({ paused_reason: 'not_permitted', next_run_at: null })
    expect(statuses(await executionsOf(lab.app, schedule))).toEqual(['skipped not_permitted'])
    expect(pausesOf(schedule)).toMatchObject([{ reason: 'not_permitted' }])
  })

  it('is nobody who is not a member any more, or suspended, or a viewer', async () => {
    const colleagues = await Promise.all(['gone', 'suspended', 'viewer'].map(() => lab.user()))
    const schedules = await Promise.all(
      colleagues.map(({ userId }) => plantSchedule(lab.app, { tenantId: owner.tenantId, userId }, { dueInMs: 2000 })),
    )
    const join = `INSERT INTO memberships (tenant_id, user_id, role, created_at, disabled_at) VALUES ($1, $2, $3, now(), $4)`
    await lab.app.sql(join, [owner.tenantId, colleagues[1]?.userId, 'owner', new Date()])
    await lab.app.sql(join, [owner.tenantId, colleagues[2]?.userId, 'viewer', null])
    for (const schedule of schedules)
      expect(await whenPaused(schedule)).toMatchObject({ paused_reason: 'not_permitted' })
  })

  async function plantKey(scopes: string[], expiresIn = '1 hour'): Promise<string> {
    const id = newId()
    await lab.app.sql(
      `INSERT INTO api_keys (tenant_id, id, user_id, name, prefix, key_hash, scopes, created_at, expires_at)
       VALUES ($1, $2, $3, 'planted', 'tn_x', $4, $5, now(), now() + $6::interval)`,
      [owner.tenantId, id, owner.userId, randomBytes(32), scopes, expiresIn],
    )
    return id
  }
})

describe('after an outage', () => {
  it('what nobody saw to was missed, once each, and one event says so', async () => {
    const schedule = await plantSchedule(lab.app, owner, { everySeconds: 600, dueInMs: -2_000_000 })
    const executions = await eventually(
      () => executionsOf(lab.app, schedule),
      (all) => all.length > 0,
    )
    expect(statuses(executions)).toEqual(Array(4).fill('missed outage'))
    expect(executions.map(({ firedAt, runId }) => firedAt ?? runId)).toEqual(Array(4).fill(null))
    const missed = events.ofType('schedule.missed').filter(({ tenantId }) => tenantId === owner.tenantId)
    expect(missed).toMatchObject([{ missed: { count: 4, isCountExact: true, firstDueAt: executions[0]?.dueAt } }])
    const { next_run_at: next } = await scheduleRow(lab.app, schedule)
    expect(next).toEqual(new Date(Number(executions[3]?.dueAt) + 600_000))
  })

  it('what is within the catch-up window is made up for', async () => {
    const schedule = await plantSchedule(lab.app, owner, {
      everySeconds: 600,
      dueInMs: -2_000_000,
      catchUpSeconds: 1000,
      overlap: 'allow',
    })
    const executions = await whenOver(schedule, 4)
    expect(statuses(executions)).toEqual(['missed outage', 'missed outage', 'completed', 'completed'])
  })

  it("a year of minutes is counted to an end, and holds up nobody's", async () => {
    const late = await plantSchedule(lab.app, owner, { everySeconds: 60, dueInMs: -365 * 86_400_000 })
    const other = await plantSchedule(lab.app, owner)
    expect(statuses(await whenOver(other, 1))).toEqual(['completed'])
    const executions = await whenOver(late, 1)
    expect(executions.filter(({ status }) => status === 'missed')).toHaveLength(100)
  })
})

describe("the time zones' rules", () => {
  it('of a newer database hold from the start of the first server that has it, from where the schedule stands', async () => {
    const schedule = await plantSchedule(lab.app, owner, {
      cron: '0 12 * * *',
      timezone: 'Europe/Berlin',
      everySeconds: 3 * 86_400,
      dueInMs: 3 * 86_400_000,
      tzVersion: '1999a',
    })
    const { cursor_at: cursor } = await scheduleRow(lab.app, schedule)
    await using replica = await TestApp.start({ database: lab.app.database })
    const row = await eventually(
      () => scheduleRow(replica, schedule),
      ({ tz_version: version }) => version !== '1999a',
    )
    const next = row['next_run_at'] as Date
    expect(next.toLocaleTimeString('de-DE', { timeZone: 'Europe/Berlin' })).toBe('12:00:00')
    const days = (Number(next) - Number(cursor)) / 86_400_000
    expect(days).toBeGreaterThan(0)
    expect(days).toBeLessThanOrEqual(25 / 24)
    expect(row).toMatchObject({ cursor_at: cursor, tz_version: process.versions['tz'] })
  })
})
