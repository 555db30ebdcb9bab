import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Colleague } from '../support/colleague.js'
import { add as addProject } from '../projects/project.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApiKey } from '../support/test-api-key.js'
import { scheduleRow } from '../support/schedule-rows.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { act, add, change, patch, show, YEARLY } from './schedule.js'

const HOUR_SECONDS = 3600
const MS_PER_SECOND = 1000

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
  events = recordEvents(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

/** Counts its events from now on. */
function watch(id: string): () => string[] {
  const own = () =>
    events
      .ofType('schedule.')
      .filter((event) => (event as unknown as { schedule: { scheduleId: string } }).schedule.scheduleId === id)
  const before = own().length
  return () =>
    own()
      .slice(before)
      .map(({ type }) => type)
}

/** How a schedule ends is the ticker's to find. */
async function end(id: string, reason: string): Promise<void> {
  await app.sql(
    'UPDATE scheduled_tasks SET ended_reason = $2, next_run_at = NULL, next_nominal_at = NULL, executions = 3 WHERE id = $1',
    [id, reason],
  )
}

describe('changing a schedule', () => {
  it('keeps what is absent, clears what is null', async () => {
    await addProject(owner, { name: 'shop' })
    const before = await add(owner, {
      cron: YEARLY,
      project: 'shop',
      endsAt: '2099-01-01T00:00:00Z',
      maxExecutions: 5,
      pauseAfterFailures: 3,
      input: { cache: 'off', metadata: { team: 'a' } },
    })
    const renamed = await change(owner, before.id, { name: 'Renamed' })
    expect(renamed).toEqual({ ...before, name: 'Renamed', updatedAt: renamed.updatedAt })
    expect(await show(owner, before.id)).toEqual(renamed)
    const nothing = { project: null, endsAt: null, maxExecutions: null, pauseAfterFailures: null }
    const cleared = await change(owner, before.id, { ...nothing, input: null })
    expect(cleared).toEqual({ ...renamed, ...nothing, input: {}, updatedAt: cleared.updatedAt })
  })

  it('replaces the input as a whole', async () => {
    const { id } = await add(owner, { cron: YEARLY, input: { cache: 'off', context: 'Much.' } })
    expect((await change(owner, id, { input: { requireApproval: true } })).input).toEqual({ requireApproval: true })
  })

  it('puts one kind of time in the place of another, counted from now', async () => {
    const { id } = await add(owner)
    const interval = await change(owner, id, { everySeconds: HOUR_SECONDS })
    expect(interval).toMatchObject({ cron: null, everySeconds: HOUR_SECONDS, runAt: null })
    expect(Date.parse(interval.nextRunAt!) - Date.parse(interval.updatedAt)).toBe(HOUR_SECONDS * MS_PER_SECOND)
    const once = await change(owner, id, { everySeconds: null, runAt: '2099-01-01T00:00:00Z' })
    expect(once).toMatchObject({ cron: null, everySeconds: null, nextRunAt: '2099-01-01T00:00:00.000Z' })
    expect(await change(owner, id, { cron: YEARLY })).toMatchObject({ cron: YEARLY, runAt: null })
  })

  it('reads the pattern in a new time zone', async () => {
    const { id } = await add(owner)
    const { nextRunAt } = await change(owner, id, { timezone: 'Asia/Tokyo' })
    expect(nextRunAt).toMatch(/-12-31T19:30:00\.000Z$/)
  })

  it('leaves the times of an interval alone where it changes something else, its zone included', async () => {
    const { id, nextRunAt } = await add(owner, { everySeconds: HOUR_SECONDS })
    const after = await change(owner, id, {
      name: 'Other',
      timezone: 'Asia/Tokyo',
      maxExecutions: 9,
      catchUpSeconds: 60,
    })
    expect(after.nextRunAt).toBe(nextRunAt)
  })

  it('takes a new jitter from the next due time on', async () => {
    const { id } = await add(owner, { cron: YEARLY, jitterSeconds: HOUR_SECONDS })
    const { nextRunAt } = await change(owner, id, { jitterSeconds: 0 })
    expect(nextRunAt).toMatch(/-01-01T04:30:00\.000Z$/)
  })

  it('has it run in the name of who has changed it last', async () => {
    const { id, runsAs } = await add(owner)
    expect(runsAs).toEqual({ userId: owner.userId, apiKeyId: null })
    const key = await TestApiKey.create(app, owner)
    expect((await change(key, id, { name: 'By a key' })).runsAs).toEqual({ userId: owner.userId, apiKeyId: key.id })
    const colleague = await Colleague.join(app, owner, 'member')
    const { runsAs: last } = (await patch(colleague, id, { name: 'By a colleague' })).json()
    expect(last.apiKeyId).toBeNull()
    expect(last.userId).not.toBe(owner.userId)
    await act(owner, id, 'pause')
    expect((await show(owner, id)).runsAs).toEqual(last)
    expect((await act(owner, id, 'resume')).json().runsAs).toEqual({ userId: owner.userId, apiKeyId: null })
  })

  it('is none where nothing changes', async () => {
    const before = await add(owner, { cron: YEARLY, endsAt: '2099-01-01T00:00:00Z', input: { metadata: { a: 'b' } } })
    const seen = watch(before.id)
    const key = await TestApiKey.create(app, owner)
    const same = {
      name: before.name,
      cron: YEARLY,
      endsAt: '2099-01-01T01:00:00+01:00',
      input: before.input,
      active: true,
    }
    for (const payload of [{}, same]) expect(await change(key, before.id, payload)).toEqual(before)
    expect(seen()).toEqual([])
    expect((await scheduleRow(app, before))['revision']).toBe('1')
  })

  it('grows the revision by one for each change', async () => {
    const { id } = await add(owner)
    await change(owner, id, { name: 'Other', active: false })
    await act(owner, id, 'resume')
    await act(owner, id, 'pause')
    expect((await scheduleRow(app, { id }))['revision']).toBe('4')
  })

  it('gives one that has ended its times back', async () => {
    const { id } = await add(owner, { cron: YEARLY, maxExecutions: 3 })
    await end(id, 'max_executions')
    expect(await show(owner, id)).toMatchObject({ active: true, nextRunAt: null, endedReason: 'max_executions' })
    expect(await change(owner, id, { name: 'Over' })).toMatchObject({ nextRunAt: null, endedReason: 'max_executions' })
    const back = await change(owner, id, { maxExecutions: 4 })
    expect(back).toMatchObject({ endedReason: null, nextRunAt: expect.any(String) })
    await end(id, 'no_more_times')
    expect(await change(owner, id, { cron: '@yearly' })).toMatchObject({ endedReason: null })
  })

  it('is told of several that come at once, and keeps them all', async () => {
    const { id } = await add(owner)
    const changes = [{ name: 'A' }, { overlap: 'queue' }]
    const answers = await Promise.all(changes.map((payload) => patch(owner, id, payload)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200])
    expect(await show(owner, id)).toMatchObject({ name: 'A', overlap: 'queue' })
  })
})

describe('pausing and resuming a schedule', () => {
  it('takes its next time away and gives it one from now on', async () => {
    const { id, nextRunAt } = await add(owner)
    const seen = watch(id)
    const paused = await act(owner, id, 'pause')
    expect([paused.statusCode, paused.json()]).toEqual([
      200,
      expect.objectContaining({ active: false, nextRunAt: null }),
    ])
    expect((await act(owner, id, 'pause')).json()).toEqual(paused.json())
    const resumed = await act(owner, id, 'resume')
    expect([resumed.statusCode, resumed.json()]).toEqual([200, expect.objectContaining({ active: true, nextRunAt })])
    expect((await act(owner, id, 'resume')).json()).toEqual(resumed.json())
    expect(seen()).toEqual(['schedule.paused', 'schedule.resumed'])
  })

  it('happens by a change as well', async () => {
    const { id } = await add(owner)
    const seen = watch(id)
    expect(await change(owner, id, { active: false })).toMatchObject({ active: false, nextRunAt: null })
    expect(await change(owner, id, { active: true, cron: '@daily' })).toMatchObject({
      active: true,
      nextRunAt: expect.stringContaining('T00:00:00.000Z'),
    })
    expect(seen()).toEqual(['schedule.paused', 'schedule.changed', 'schedule.resumed'])
  })

  it('waits for no time of a paused one, whatever is changed', async () => {
    const { id } = await add(owner, { cron: YEARLY, active: false })
    const changed = await change(owner, id, { cron: '@daily', jitterSeconds: 5, endsAt: '2099-01-01T00:00:00Z' })
    expect(changed).toMatchObject({ active: false, nextRunAt: null, endedReason: null })
  })

  it('neither makes up for what was due meanwhile nor moves an interval', async () => {
    const { id } = await add(owner, { everySeconds: HOUR_SECONDS })
    await act(owner, id, 'pause')
    // As if it had been made and paused five and a half hours ago.
    await app.sql(
      `UPDATE scheduled_tasks SET anchor_at = anchor_at - interval '330 minutes', cursor_at = cursor_at - interval '330 minutes'
        WHERE id = $1`,
      [id],
    )
    const { nextRunAt } = (await act(owner, id, 'resume')).json()
    const {
      anchor_at: anchor,
      cursor_at: cursor,
      updated_at: updated,
    } = (await scheduleRow(app, { id })) as Record<string, Date>
    expect(cursor).toEqual(updated)
    expect(Date.parse(nextRunAt)).toBe(anchor!.getTime() + 6 * HOUR_SECONDS * MS_PER_SECOND)
  })

  it('forgets why it was paused and how often it has failed', async () => {
    const { id } = await add(owner, { cron: YEARLY, active: false })
    await app.sql(`UPDATE scheduled_tasks SET paused_reason = 'failures', consecutive_failures = 3 WHERE id = $1`, [id])
    expect(await show(owner, id)).toMatchObject({ pausedReason: 'failures', consecutiveFailures: 3 })
    expect((await act(owner, id, 'resume')).json()).toMatchObject({ pausedReason: null, consecutiveFailures: 0 })
  })

  it('is refused where no due time is left', async () => {
    const { id } = await add(owner, { runAt: '2099-01-01T00:00:00Z' })
    await act(owner, id, 'pause')
    await app.sql(`UPDATE scheduled_tasks SET run_at = now() - interval '1 hour' WHERE id = $1`, [id])
    for (const answer of [await act(owner, id, 'resume'), await patch(owner, id, { active: true })]) {
      expectProblem(answer, { status: 409, code: 'schedule_ended' })
    }
    expect((await show(owner, id)).active).toBe(false)
    expect((await change(owner, id, { active: true, runAt: '2099-01-01T00:00:00Z' })).active).toBe(true)
    await end(id, 'no_more_times')
    expectProblem(await act(owner, id, 'resume'), { status: 409, code: 'schedule_ended' })
  })
})

describe('a schedule that does not come to rest', () => {
  it('is not changed, and the client is told to try again', async () => {
    const { id } = await add(owner, { cron: YEARLY, name: 'Restless' })
    // However often it is seen to, it is due again.
    await app.sql(
      `CREATE FUNCTION restless() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN NEW.next_run_at := now(); NEW.next_nominal_at := now(); RETURN NEW; END $$;
       CREATE TRIGGER restless BEFORE UPDATE ON scheduled_tasks FOR EACH ROW WHEN (OLD.name = 'Restless')
         EXECUTE FUNCTION restless();
       UPDATE scheduled_tasks SET cursor_at = now() WHERE name = 'Restless'`,
    )
    const answer = await patch(owner, id, { name: 'Calm' })
    await app.sql('DROP FUNCTION restless CASCADE')
    expectProblem(answer, { status: 503, code: 'unavailable' })
    expect(answer.headers['retry-after']).toBe('1')
    expect((await show(owner, id)).name).toBe('Restless')
    expect((await change(owner, id, { name: 'Calm' })).name).toBe('Calm')
  })
})
