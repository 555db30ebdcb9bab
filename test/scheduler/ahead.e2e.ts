import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Client } from 'pg'
import { ScheduleTurns } from '../../src/modules/scheduler/firing/schedule-turns.service.js'
import { RunLab } from '../runs/run-lab.js'
import { eventually } from '../support/eventually.js'
import { whenWaiting } from '../support/held-tenant.js'
import { executionsOf, plantSchedule, plantSchedules, type ScheduleKey, scheduleRow } from '../support/schedule-rows.js'
import type { TestUser } from '../support/test-user.js'
import { patch, plantExecution } from './schedule.js'

/** Enough to be written ahead. */
const CROWD = 60
/** So few are left to themselves until they are due: what is done before, the test does. */
const SOON_MS = 2000
const MAX_TRIES = 5

let lab: RunLab
let owner: TestUser

beforeAll(async () => {
  lab = await RunLab.start()
})
beforeEach(async () => {
  owner = await lab.user()
})
afterAll(async () => lab[Symbol.asyncDispose]())

const takeAhead = async (schedules: readonly ScheduleKey[], signal = new AbortController().signal) => {
  const dueAt = (await scheduleRow(lab.app, schedules[0]!))['next_run_at'] as Date
  const ids = schedules.map(({ id }) => id)
  return lab.app.nest.get(ScheduleTurns).takeAhead([{ tenantId: owner.tenantId, ids }], dueAt, signal)
}

interface Look {
  /** Schedules that somebody has locked, or written. */
  readonly held: number
  readonly executions: number
  readonly isEarly: boolean
}

async function look(schedules: readonly ScheduleKey[]): Promise<Look> {
  const ids = schedules.map(({ id }) => id)
  // A row that nobody has touched since it was planted has no `xmax`; to try for its lock would keep others from it.
  const [row] = await lab.app.sql(
    `SELECT count(*) FILTER (WHERE xmax::text <> '0')::int AS held, min(next_run_at) > clock_timestamp() AS "isEarly",
            (SELECT count(*)::int FROM task_executions WHERE schedule_id = ANY($1)) AS executions
       FROM scheduled_tasks WHERE id = ANY($1)`,
    [ids],
  )
  return row as { held: number; executions: number; isEarly: boolean }
}

const whenHeld = (schedule: ScheduleKey) =>
  eventually(
    () => look([schedule]),
    ({ held }) => held > 0,
  )
const whenFired = (schedule: ScheduleKey) =>
  eventually(
    () => executionsOf(lab.app, schedule),
    (executions) => executions.length > 0 && executions.every(({ status }) => status !== 'running'),
  )

describe('a crowd that is due at one instant', () => {
  it('is written before it, seen by nobody until it, and fires once', async () => {
    let seen: Look = { held: 0, executions: 0, isEarly: false }
    for (let tries = 0; seen.held < CROWD && tries < MAX_TRIES; tries += 1) {
      const crowd = await plantSchedules(lab.app, owner, CROWD, { dueInMs: 2000 })
      seen = await eventually(
        () => look(crowd),
        (now) => now.held === CROWD || !now.isEarly,
      )
      await Promise.all(crowd.map(whenFired))
      const ids = crowd.map(({ id }) => id)
      const [fired] = await lab.app.sql(
        `SELECT count(*)::int AS executions, count(DISTINCT e.schedule_id)::int AS schedules, count(r.id)::int AS runs,
                bool_and(e.fired_at >= e.due_at AND e.created_at >= e.due_at AND r.created_at >= e.due_at
                         AND s.last_fired_at >= e.due_at AND s.next_run_at = e.due_at + interval '1 hour') AS "isRight"
           FROM task_executions e JOIN scheduled_tasks s ON s.id = e.schedule_id LEFT JOIN runs r ON r.id = e.run_id
          WHERE e.schedule_id = ANY($1)`,
        [ids],
      )
      expect(fired).toEqual({ executions: CROWD, schedules: CROWD, runs: CROWD, isRight: true })
    }
    expect(seen).toEqual({ held: CROWD, executions: 0, isEarly: true })
  })
})

describe('a turn that is written ahead', () => {
  it('is for schedules that have nothing under way; the others decide when they are due', async () => {
    const [waits, rests] = await plantSchedules(lab.app, owner, 2, { dueInMs: SOON_MS, overlap: 'queue' })
    const { tenantId } = owner
    await plantExecution(lab.app, { tenantId, scheduleId: waits!.id }, { status: 'running', isQueued: true })
    expect(await takeAhead([waits!, rests!])).toEqual({ taken: 1, ordered: 1, hasMore: false })
    const executions = await Promise.all([whenFired(waits!), whenFired(rests!)])
    expect(executions.map(({ length }) => length)).toEqual([2, 1])
  })

  it('leaves to its time what may be refused, or end the schedule', async () => {
    const last = await plantSchedule(lab.app, owner, { dueInMs: SOON_MS, maxExecutions: 1 })
    const noAgent = await plantSchedule(lab.app, owner, { dueInMs: SOON_MS, agent: 'no-such-agent' })
    expect(await takeAhead([last])).toMatchObject({ taken: 0, ordered: 0 })
    expect(await takeAhead([noAgent])).toMatchObject({ taken: 0, ordered: 0 })
    expect((await whenFired(last)).map(({ status }) => status)).toEqual(['completed'])
    expect((await whenFired(noAgent)).map(({ status }) => status)).toEqual(['failed'])
  })

  it('keeps a change waiting until the due time, which the schedule meets as it was', async () => {
    const schedule = await plantSchedule(lab.app, owner, { dueInMs: SOON_MS, task: 'As it was.' })
    const turn = takeAhead([schedule])
    await whenHeld(schedule)
    const change = patch(owner, schedule.id, { task: 'As it is.' })
    expect(await turn).toMatchObject({ ordered: 1 })
    expect((await change).statusCode).toBe(200)
    const executions = await whenFired(schedule)
    const [run] = await lab.app.sql('SELECT task FROM runs WHERE id = $1', [executions[0]?.runId])
    expect([executions.length, run?.['task']]).toEqual([1, 'As it was.'])
    expect(await scheduleRow(lab.app, schedule)).toMatchObject({ task: 'As it is.', executions: '1' })
  })

  it('has not happened when it is given up, and is taken when it is due', async () => {
    const schedule = await plantSchedule(lab.app, owner, { dueInMs: SOON_MS })
    const closing = new AbortController()
    const turn = takeAhead([schedule], closing.signal).catch((error: unknown) => error)
    await whenHeld(schedule)
    closing.abort()
    expect(await turn).toMatchObject({ name: 'AbortError' })
    expect(await executionsOf(lab.app, schedule)).toEqual([])
    expect(await whenFired(schedule)).toHaveLength(1)
  })

  it('tells how late it was where it was not through in time', async () => {
    const schedule = await plantSchedule(lab.app, owner, { dueInMs: SOON_MS / 2 })
    await using blocker = await blockSchedules(lab.app.database.url)
    const turn = takeAhead([schedule])
    await whenWaiting(lab.app, 1)
    const dueAt = (await scheduleRow(lab.app, schedule))['next_run_at'] as Date
    const releasedAt = await blocker.releaseAfter(dueAt)
    expect(await turn).toMatchObject({ ordered: 1 })
    const [execution] = await whenFired(schedule)
    expect(execution?.firedAt?.getTime()).toBeGreaterThanOrEqual(releasedAt.getTime())
  })
})

/** No schedule can be written until it is released. */
async function blockSchedules(url: string): Promise<AsyncDisposable & { releaseAfter(moment: Date): Promise<Date> }> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('BEGIN')
  await client.query('LOCK TABLE scheduled_tasks IN SHARE MODE')
  return {
    releaseAfter: async (moment) => {
      const { rows } = await client.query<{ now: Date }>(
        `SELECT clock_timestamp() AS now FROM pg_sleep(greatest(0, extract(epoch FROM $1::timestamptz - clock_timestamp())) + 0.1)`,
        [moment],
      )
      await client.query('COMMIT')
      return rows[0]!.now
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}
