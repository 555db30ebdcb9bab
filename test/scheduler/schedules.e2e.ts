import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { schedulePageSchema, scheduleSchema } from '../../src/modules/scheduler/schedules/schedules.schemas.js'
import { Colleague } from '../support/colleague.js'
import { add as addProject } from '../projects/project.js'
import { expectProblem } from '../support/problem.js'
import { expectLimits } from '../support/rate-limits.js'
import { recordEvents } from '../support/recorded-events.js'
import { TestApiKey } from '../support/test-api-key.js'
import { scheduleRow } from '../support/schedule-rows.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { act, add, get, patch, post, remove, show, YEARLY } from './schedule.js'

const HOUR_SECONDS = 3600
const MS_PER_SECOND = 1000
const endedAt = { firedAt: expect.any(String), finishedAt: expect.any(String) }

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start({ env: { SCHEDULES_MAX: '5' } })
  events = recordEvents(app)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

function nextYearly(): string {
  return new Date(Date.UTC(new Date().getUTCFullYear() + 1, 0, 1, 4, 30)).toISOString()
}

describe('adding a schedule', () => {
  it('answers with the schedule and when it is due next', async () => {
    await addProject(owner, { name: 'shop' })
    const response = await post(owner, { name: '  Nightly  ', cron: YEARLY, project: 'shop', input: { cache: 'off' } })
    expect(response.statusCode).toBe(201)
    const schedule = scheduleSchema.parse(response.json())
    expect(schedule).toEqual({
      id: expect.any(String),
      name: 'Nightly',
      agent: 'developer',
      task: 'Write a report.',
      project: 'shop',
      cron: YEARLY,
      everySeconds: null,
      runAt: null,
      timezone: 'UTC',
      overlap: 'skip',
      catchUpSeconds: 0,
      jitterSeconds: 0,
      endsAt: null,
      maxExecutions: null,
      pauseAfterFailures: null,
      active: true,
      pausedReason: null,
      endedReason: null,
      input: { cache: 'off' },
      nextRunAt: nextYearly(),
      lastFiredAt: null,
      executions: 0,
      consecutiveFailures: 0,
      runsAs: { userId: owner.userId, apiKeyId: null },
      createdAt: expect.any(String),
      updatedAt: schedule.createdAt,
    })
    expect(response.headers['location']).toBe(`/v1/schedules/${schedule.id}`)
    const shown = await get(owner, schedule.id)
    expect(shown.json()).toEqual(schedule)
    expect(shown.headers).toMatchObject({ 'cache-control': 'private, no-cache', etag: expect.any(String) })
  })

  it('counts an interval from now, on the database clock', async () => {
    const { createdAt, nextRunAt } = await add(owner, { everySeconds: HOUR_SECONDS })
    expect(Date.parse(nextRunAt!) - Date.parse(createdAt)).toBe(HOUR_SECONDS * MS_PER_SECOND)
  })

  it('is due once at the time that it names, in whatever offset that was said', async () => {
    const { runAt, nextRunAt } = await add(owner, { runAt: '2099-06-01T02:00:00+02:00' })
    expect([runAt, nextRunAt]).toEqual(['2099-06-01T00:00:00.000Z', '2099-06-01T00:00:00.000Z'])
  })

  it('keeps a time zone in its own case, and reads the pattern by it', async () => {
    const { timezone, nextRunAt } = await add(owner, { cron: YEARLY, timezone: 'asia/tokyo' })
    expect(timezone).toBe('Asia/Tokyo')
    expect(nextRunAt).toMatch(/-12-31T19:30:00\.000Z$/)
  })

  it('is due later by its jitter, always the same', async () => {
    const { id, nextRunAt } = await add(owner, { cron: YEARLY, jitterSeconds: HOUR_SECONDS })
    const row = await scheduleRow(app, { id })
    const delayMs = Date.parse(nextRunAt!) - (row['next_nominal_at'] as Date).getTime()
    expect(delayMs).toBeGreaterThanOrEqual(0)
    expect(delayMs).toBeLessThan(HOUR_SECONDS * MS_PER_SECOND)
    await patch(owner, id, { overlap: 'allow' })
    expect((await show(owner, id)).nextRunAt).toBe(nextRunAt)
  })

  it('is due at no time while it is not active', async () => {
    expect(await add(owner, { cron: YEARLY, active: false })).toMatchObject({ active: false, nextRunAt: null })
  })

  it('runs in the name of the key that has made it', async () => {
    const key = await TestApiKey.create(app, owner, { scopes: ['schedules:write', 'runs:write'] })
    expect((await add(key)).runsAs).toEqual({ userId: owner.userId, apiKeyId: key.id })
  })

  it('happens once for an Idempotency-Key', async () => {
    const key = newId()
    const [first, again] = [await post(owner, { cron: YEARLY }, key), await post(owner, { cron: YEARLY }, key)]
    expect([again.statusCode, again.json(), again.headers['location']]).toEqual([
      201,
      first.json(),
      first.headers['location'],
    ])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect((await owner.request({ url: '/v1/schedules' })).json().data).toHaveLength(1)
    expectProblem(await post(owner, { cron: '@daily' }, key), { status: 422, code: 'idempotency_key_reused' })
  })

  it('ends where a tenant has as many as it may, however many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 7 }, () => post(owner, { cron: YEARLY })))
    expect(answers.filter(({ statusCode }) => statusCode === 201)).toHaveLength(5)
    const refused = answers.find(({ statusCode }) => statusCode !== 201)!
    expectProblem(refused, { status: 400, code: 'validation_failed', pointers: [''] })
    const [{ id }] = (await owner.request({ url: '/v1/schedules' })).json().data
    await remove(owner, id)
    expect((await post(owner, { cron: YEARLY })).statusCode).toBe(201)
  })
})

describe('schedules', () => {
  it('are listed newest first, page by page, without their input', async () => {
    const added = [await add(owner), await add(owner), await add(owner)]
    const first = await owner.request({ url: '/v1/schedules?limit=2' })
    const page = schedulePageSchema.parse(first.json())
    expect(first.headers['link']).toContain('rel="next"')
    const second = await owner.request({ url: `/v1/schedules?limit=2&cursor=${page.nextCursor}` })
    const rest = schedulePageSchema.parse(second.json())
    expect(rest.nextCursor).toBeNull()
    const withoutInput = added.map(({ input: _input, ...summary }) => summary)
    expect([...page.data, ...rest.data]).toEqual(withoutInput.toReversed())
  })

  it('are listed by project, by agent and by whether they are active', async () => {
    await addProject(owner, { name: 'shop' })
    const shop = await add(owner, { cron: YEARLY, project: 'shop' })
    const paused = await add(owner, { cron: YEARLY, active: false })
    const devops = await add(owner, { cron: YEARLY, agent: 'devops' })
    const ids = async (query: string): Promise<string[]> =>
      (await owner.request({ url: `/v1/schedules?${query}` })).json().data.map(({ id }: { id: string }) => id)
    expect(await ids('project=shop')).toEqual([shop.id])
    expect(await ids('project=none')).toEqual([])
    expect(await ids('agent=devops')).toEqual([devops.id])
    expect(await ids('active=false')).toEqual([paused.id])
    expect(await ids('active=true&agent=developer')).toEqual([shop.id])
    expectProblem(await owner.request({ url: '/v1/schedules?active=yes' }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/active'],
    })
  })

  it("are another tenant's as if they had never been", async () => {
    const { id } = await add(owner)
    const other = await TestUser.register(app)
    for (const ask of [
      (which: string) => get(other, which),
      (which: string) => patch(other, which, { name: 'Mine' }),
      (which: string) => remove(other, which),
      (which: string) => act(other, which, 'pause'),
      (which: string) => act(other, which, 'resume'),
    ]) {
      const [existing, invented, none] = [await ask(id), await ask(newId()), await ask('none')]
      const problems = [existing, invented, none].map((answer) =>
        expectProblem(answer, { status: 404, code: 'not_found' }),
      )
      expect(new Set(problems.map(({ detail }) => detail)).size).toBe(1)
    }
    expect((await other.request({ url: '/v1/schedules' })).json().data).toEqual([])
    expect(await show(owner, id)).toMatchObject({ name: 'Report', active: true })
  })

  it('are read by viewers and changed by members', async () => {
    const { id } = await add(owner)
    const [viewer, member] = [await Colleague.join(app, owner, 'viewer'), await Colleague.join(app, owner, 'member')]
    expect((await get(viewer, id)).statusCode).toBe(200)
    expect((await viewer.request({ url: '/v1/schedules' })).statusCode).toBe(200)
    for (const answer of [
      await post(viewer, { cron: YEARLY }),
      await patch(viewer, id, { name: 'Mine' }),
      await remove(viewer, id),
      await act(viewer, id, 'pause'),
      await act(viewer, id, 'resume'),
      await act(viewer, id, 'trigger'),
      await viewer.request({ method: 'POST', url: `/v1/schedules/${id}/backfill`, payload: { from: '', to: '' } }),
    ]) {
      expectProblem(answer, { status: 403, code: 'forbidden' })
    }
    expect((await patch(member, id, { name: 'Mine' })).statusCode).toBe(200)
  })

  it('open to API keys as far as their scopes go', async () => {
    const { id } = await add(owner)
    const reader = await TestApiKey.create(app, owner, { scopes: ['schedules:read'] })
    expect((await get(reader, id)).statusCode).toBe(200)
    expectProblem(await patch(reader, id, { name: 'Mine' }), { status: 403, code: 'forbidden' })
    const writer = await TestApiKey.create(app, owner, { scopes: ['schedules:write', 'runs:write'] })
    expect((await patch(writer, id, { name: 'Mine' })).statusCode).toBe(200)
    expectProblem(await get(writer, id), { status: 403, code: 'forbidden' })
  })
})

describe('deleting a schedule', () => {
  it('leaves nothing where nothing has been executed', async () => {
    const { id } = await add(owner)
    const response = await remove(owner, id)
    expect([response.statusCode, response.body]).toEqual([204, ''])
    expect(await app.sql('SELECT 1 FROM scheduled_tasks WHERE id = $1', [id])).toEqual([])
    for (const answer of [await get(owner, id), await remove(owner, id), await act(owner, id, 'resume')]) {
      expectProblem(answer, { status: 404, code: 'not_found' })
    }
  })

  it('leaves what its executions tell of, lets what runs go on, and skips what waits', async () => {
    const input = { context: 'Confidential.', requireApproval: true }
    const schedule = await add(owner, { cron: YEARLY, overlap: 'queue', input })
    const running = (await act(owner, schedule.id, 'trigger')).json()
    const waiting = (await act(owner, schedule.id, 'trigger')).json()
    expect([running.reason, waiting.reason]).toEqual([null, 'queued'])
    expect((await remove(owner, schedule.id)).statusCode).toBe(204)
    const executions = await owner.request({ url: `/v1/schedules/${schedule.id}/executions` })
    expectProblem(executions, { status: 404, code: 'not_found' })
    expect((await owner.request({ url: '/v1/schedules' })).json().data).toEqual([])
    expect((await owner.request({ url: '/v1/schedule-executions' })).json().data).toEqual([
      { ...waiting, status: 'skipped', reason: 'schedule_deleted', ...endedAt, latenessMs: expect.any(Number) },
      running,
    ])
    const run = await owner.request({ url: `/v1/runs/${running.runId}` })
    expect(['pending', 'running', 'waiting_approval']).toContain(run.json().status)
    const row = await scheduleRow(app, schedule)
    expect(row).toMatchObject({ task: '', input: {}, is_active: false, next_run_at: null, revision: '2' })
    expect(row['deleted_at']).toBeInstanceOf(Date)
  })
})

describe('the trail of schedules', () => {
  it('tells of each change once, without tasks and inputs', async () => {
    const { id } = await add(owner, { cron: YEARLY, task: 'Say s3cr3t.', input: { context: 's3cr3t' } })
    await patch(owner, id, { name: 'Weekly', cron: '@weekly' })
    await act(owner, id, 'pause')
    await act(owner, id, 'pause')
    await act(owner, id, 'resume')
    await patch(owner, id, { name: 'Daily', active: false })
    await remove(owner, id)
    const own = events
      .ofType('schedule.')
      .map((event) => (event as AuditedEvent).audit)
      .filter(({ resource }) => resource.id === id)
    expect(own.map(({ action }) => action)).toEqual([
      'schedule_created',
      'schedule_changed',
      'schedule_paused',
      'schedule_resumed',
      'schedule_changed',
      'schedule_paused',
      'schedule_deleted',
    ])
    expect(own[1]).toMatchObject({
      before: { name: 'Report', cron: YEARLY },
      after: { name: 'Weekly', cron: '@weekly' },
    })
    const log = await owner.request({ url: '/v1/audit-log' })
    for (const { action } of own) expect(log.body).toContain(action)
    expect(log.body + JSON.stringify(own)).not.toContain('s3cr3t')
  })
})

describe('the limits of schedules', () => {
  it('are told with each creation and each trigger', async () => {
    await using limited = await TestApp.start({
      env: {
        RATE_LIMIT_ADMIN_PER_MINUTE: '1000',
        RATE_LIMIT_SCHEDULE_CREATIONS_PER_HOUR: '2',
        RATE_LIMIT_SCHEDULE_TRIGGERS_PER_HOUR: '100',
      },
    })
    const user = await TestUser.register(limited)
    const created = await post(user, { cron: YEARLY })
    expectLimits(
      created,
      { name: 'admin', quota: 1000, remaining: 999 },
      { name: 'schedule-create', quota: 2, windowSeconds: HOUR_SECONDS, remaining: 1 },
    )
    await post(user, { cron: YEARLY })
    expectProblem(await post(user, { cron: YEARLY }), { status: 429, code: 'rate_limited' })
    const triggered = await act(user, created.json().id, 'trigger')
    expect(triggered.headers['ratelimit-policy']).toContain(`"schedule-trigger";q=100;w=${HOUR_SECONDS}`)
    const payload = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }
    const backfilled = await user.request({ method: 'POST', url: `/v1/schedules/${newId()}/backfill`, payload })
    expect(backfilled.headers['ratelimit']).toContain('"schedule-trigger";r=98;')
  })
})
