import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import type { Requester } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, patch, post } from './schedule.js'

const SERVER_MINIMUM_SECONDS = 20

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start({ env: { SCHEDULE_MIN_INTERVAL_SECONDS: String(SERVER_MINIMUM_SECONDS) } })
  events = recordEvents(app)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

function put(payload: object, by: Requester = owner): Promise<LightMyRequestResponse> {
  return by.request({ method: 'PUT', url: '/v1/schedule-policy', payload })
}

async function read(by: Requester = owner): Promise<object> {
  return (await by.request({ url: '/v1/schedule-policy' })).json()
}

describe('the schedule policy', () => {
  it('is what the server says until the tenant says otherwise, for itself alone', async () => {
    expect(await read()).toEqual({ minIntervalSeconds: SERVER_MINIMUM_SECONDS })
    const response = await put({ minIntervalSeconds: 60 })
    expect([response.statusCode, response.json()]).toEqual([200, { minIntervalSeconds: 60 }])
    expect(await read()).toEqual({ minIntervalSeconds: 60 })
    expect(await read(await TestUser.register(app))).toEqual({ minIntervalSeconds: SERVER_MINIMUM_SECONDS })
  })

  it('holds for schedules that are made or given other times after it', async () => {
    const { id } = await add(owner, { everySeconds: 30 })
    await put({ minIntervalSeconds: 60 })
    expectProblem(await post(owner, { everySeconds: 59 }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/everySeconds'],
    })
    expectProblem(await post(owner, { cron: '*/30 * * * * *' }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/cron'],
    })
    expect((await post(owner, { everySeconds: 60 })).statusCode).toBe(201)
    expect((await patch(owner, id, { name: 'As it was' })).json()).toMatchObject({ everySeconds: 30 })
    expectProblem(await patch(owner, id, { everySeconds: 40 }), {
      status: 400,
      code: 'validation_failed',
      pointers: ['/everySeconds'],
    })
  })

  it.each([SERVER_MINIMUM_SECONDS - 1, 0, 30.5, 31_536_001, null])(
    'is refused with %p s',
    async (minIntervalSeconds) => {
      const expected = { status: 400, code: 'validation_failed', pointers: ['/minIntervalSeconds'] }
      expectProblem(await put({ minIntervalSeconds }), expected)
    },
  )

  it('is never shorter than the server says, whatever the tenant has said before', async () => {
    await put({ minIntervalSeconds: 60 })
    await app.sql('UPDATE schedule_policies SET min_interval_seconds = 5 WHERE tenant_id = $1', [owner.tenantId])
    expect(await read()).toEqual({ minIntervalSeconds: SERVER_MINIMUM_SECONDS })
  })

  it('is read by everybody and set by who may configure', async () => {
    for (const role of ['viewer', 'member'] as const) {
      const colleague = await Colleague.join(app, owner, role)
      expect(await read(colleague)).toEqual({ minIntervalSeconds: SERVER_MINIMUM_SECONDS })
      expectProblem(await put({ minIntervalSeconds: 60 }, colleague), { status: 403, code: 'forbidden' })
    }
    expect((await put({ minIntervalSeconds: 60 }, await Colleague.join(app, owner, 'admin'))).statusCode).toBe(200)
  })

  it('is audited with what it was, each change once', async () => {
    for (const minIntervalSeconds of [60, 60, 120]) await put({ minIntervalSeconds })
    const trail = events
      .ofType('schedule.policy_changed')
      .map((event) => (event as AuditedEvent).audit)
      .filter(({ resource }) => resource.id === owner.tenantId)
    expect(trail.map(({ before, after }) => [before, after])).toEqual([
      [{ minIntervalSeconds: SERVER_MINIMUM_SECONDS }, { minIntervalSeconds: 60 }],
      [{ minIntervalSeconds: 60 }, { minIntervalSeconds: 120 }],
    ])
  })
})
