import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import {
  type Execution,
  executionPageSchema,
  executionSchema,
} from '../../src/modules/scheduler/executions/executions.schemas.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, plantExecution } from './schedule.js'

const NOON = '2026-05-01T12:00:00.000Z'

let app: TestApp
let owner: TestUser
let scheduleId: string
let key: { tenantId: string; scheduleId: string }

beforeAll(async () => {
  app = await TestApp.start()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
  scheduleId = (await add(owner)).id
  key = { tenantId: owner.tenantId, scheduleId }
})
afterAll(async () => app[Symbol.asyncDispose]())

function at(hour: number): string {
  return `2026-05-01T${String(hour).padStart(2, '0')}:00:00.000Z`
}

async function list(url = `/v1/schedules/${scheduleId}/executions`): Promise<Execution[]> {
  return executionPageSchema.parse((await owner.request({ url })).json()).data
}

describe('the executions of a schedule', () => {
  it('tell when they were due, when they were fired and how late', async () => {
    const id = await plantExecution(app, key, { dueAt: NOON })
    const response = await owner.request({ url: `/v1/schedules/${scheduleId}/executions/${id}` })
    expect(executionSchema.parse(response.json())).toEqual({
      id,
      scheduleId,
      trigger: 'manual',
      nominalAt: NOON,
      dueAt: NOON,
      firedAt: '2026-05-01T12:00:00.025Z',
      latenessMs: 25,
      status: 'completed',
      reason: null,
      runId: null,
      finishedAt: expect.any(String),
    })
    expect(response.headers['etag']).toEqual(expect.any(String))
    expect(await list()).toEqual([response.json()])
  })

  it('tell of one that waits that it does', async () => {
    await plantExecution(app, key, { status: 'running', isQueued: true })
    const waiting = { status: 'running', reason: 'queued', firedAt: null, latenessMs: null, finishedAt: null }
    expect(await list()).toEqual([expect.objectContaining(waiting)])
  })

  it('come the latest due time first, page by page, and stay so while others are added', async () => {
    // Two of them at the same microsecond, and two of the same millisecond.
    const times = [at(3), at(1), '2026-05-01T02:00:00.000001Z', '2026-05-01T02:00:00.000002Z', at(3), at(4)]
    const ids: string[] = []
    for (const dueAt of times) ids.push(await plantExecution(app, key, { dueAt }))
    const expected = [ids[5], ids[4], ids[0], ids[3], ids[2], ids[1]]
    const seen: string[] = []
    let url: string | undefined = `/v1/schedules/${scheduleId}/executions?limit=1`
    while (url !== undefined) {
      const response = await owner.request({ url })
      seen.push(...response.json().data.map(({ id }: Execution) => id))
      // Before what has been read already: it must not push anything.
      await plantExecution(app, key, { dueAt: at(9) })
      url = /<([^>]+)>; rel="next"/.exec(String(response.headers['link'] ?? ''))?.[1]
    }
    expect(seen).toEqual(expected)
  })

  it('are found by status and by when they were due', async () => {
    const missed = await plantExecution(app, key, { dueAt: at(1), status: 'missed', reason: 'outage' })
    const done = await plantExecution(app, key, { dueAt: at(2) })
    const skipped = await plantExecution(app, key, { dueAt: at(3), status: 'skipped', reason: 'overlap' })
    const ids = async (query: string): Promise<string[]> =>
      (await list(`/v1/schedules/${scheduleId}/executions?${query}`)).map(({ id }) => id)
    expect(await ids('status=missed')).toEqual([missed])
    expect(await ids(`from=${at(2)}`)).toEqual([skipped, done])
    expect(await ids(`to=${at(2)}`)).toEqual([missed])
    expect(await ids(`from=${at(1)}&to=${at(3)}&status=completed`)).toEqual([done])
    expect(await ids('from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z')).toEqual([skipped, done, missed])
  })

  it('can be looked at over all schedules of the tenant, and of no other', async () => {
    const other = await add(owner)
    const first = await plantExecution(app, key, { dueAt: at(1) })
    const second = await plantExecution(app, { ...key, scheduleId: other.id }, { dueAt: at(2), status: 'missed' })
    const stranger = await TestUser.register(app)
    const strange = { tenantId: stranger.tenantId, scheduleId: (await add(stranger)).id }
    await plantExecution(app, strange, { dueAt: at(1) })
    expect((await list('/v1/schedule-executions')).map(({ id }) => id)).toEqual([second, first])
    expect((await list('/v1/schedule-executions?status=missed')).map(({ id }) => id)).toEqual([second])
    const page = (await owner.request({ url: '/v1/schedule-executions?limit=1' })).json()
    expect((await list(`/v1/schedule-executions?limit=1&cursor=${page.nextCursor}`)).map(({ id }) => id)).toEqual([
      first,
    ])
  })

  it("are another tenant's as if they had never been", async () => {
    const id = await plantExecution(app, key)
    const stranger = await TestUser.register(app)
    const own = (await add(stranger)).id
    const details = async (...paths: string[]): Promise<Set<string | undefined>> => {
      const answers = await Promise.all(paths.map((path) => stranger.request({ url: `/v1/schedules/${path}` })))
      return new Set(answers.map((answer) => expectProblem(answer, { status: 404, code: 'not_found' }).detail))
    }
    expect(await details(`${scheduleId}/executions`, `${newId()}/executions`, 'none/executions')).toEqual(
      new Set(['There is no such schedule.']),
    )
    const one = await details(
      `${scheduleId}/executions/${id}`,
      `${own}/executions/${id}`,
      `${own}/executions/${newId()}`,
      `${own}/executions/none`,
      `none/executions/${id}`,
    )
    expect(one).toEqual(new Set(['There is no such execution.']))
  })

  it('are read by viewers, and by keys that may read schedules', async () => {
    const viewer = await Colleague.join(app, owner, 'viewer')
    for (const url of [`/v1/schedules/${scheduleId}/executions`, '/v1/schedule-executions']) {
      expect((await viewer.request({ url })).statusCode).toBe(200)
      const key = await TestApiKey.create(app, owner, { scopes: ['schedules:write'] })
      expectProblem(await key.request({ url }), { status: 403, code: 'forbidden' })
    }
  })

  it.each<[string, string]>([
    ['status=late', '/status'],
    ['from=yesterday', '/from'],
    ['to=tomorrow', '/to'],
    ['limit=101', '/limit'],
    ['colour=red', '/colour'],
    ['cursor=nonsense', '/cursor'],
    ...['x|y', `2026-02-30T00:00:00.000000Z|${newId()}`, `0000-01-01T00:00:00.000000Z|${newId()}`, newId()].map(
      (place): [string, string] => [`cursor=${Buffer.from(place).toString('base64url')}`, '/cursor'],
    ),
  ])('are not listed by %s', async (query, pointer) => {
    const urls = [`/v1/schedules/${scheduleId}/executions?${query}`, `/v1/schedule-executions?${query}`]
    for (const url of urls) {
      expectProblem(await owner.request({ url }), { status: 400, code: 'validation_failed', pointers: [pointer] })
    }
  })
})
