import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { list } from '../audit/audit-trail.js'

const CLEAR = { method: 'POST', url: '/v1/admin/cache/clear', payload: { scope: 'all' } } as const
const FORBIDDEN = { status: 403, code: 'forbidden' }
const POLL_MS = 50

let app: TestApp
let owner: TestUser
let failure: Error | undefined

beforeAll(async () => {
  app = await TestApp.start()
  app.nest.get(EventBus).subscribe(AuditedEvent, async () => {
    if (failure) throw failure
  })
})
beforeEach(async () => {
  failure = undefined
  owner = await TestUser.register(app)
})
afterAll(() => app[Symbol.asyncDispose]())

async function jobsAreDone(): Promise<void> {
  while ((await app.sql(`SELECT 1 FROM pgboss.job WHERE name LIKE 'auth.%' AND state <= 'active'`)).length > 0) {
    await delay(POLL_MS)
  }
}

const refusals = async () => {
  await jobsAreDone()
  return list(owner, '?action=authz_fail')
}

describe('a request without the permission that it needs', () => {
  it('is an entry in the audit log of the tenant, of who asked and for what', async () => {
    const viewer = await Colleague.join(app, owner, 'viewer')
    const response = await viewer.request(CLEAR)
    expectProblem(response, FORBIDDEN)
    expect(await refusals()).toEqual([
      expect.objectContaining({
        actor: { type: 'user', id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
        resource: { type: 'permission', id: 'cache:clear' },
        after: { route: 'POST /v1/admin/cache/clear' },
        address: '127.0.0.1',
        requestId: response.headers['x-request-id'],
      }),
    ])
  })

  it('is one entry a principal and permission, however often it is sent', async () => {
    const [viewer, member] = [await Colleague.join(app, owner, 'viewer'), await Colleague.join(app, owner, 'member')]
    // Not across the end of a minute, where one more would be right.
    const msLeft = 60_000 - (Date.now() % 60_000)
    if (msLeft < 5000) await delay(msLeft)
    for (let round = 0; round < 3; round++) {
      await Promise.all([CLEAR, CLEAR].map(async (again) => expectProblem(await viewer.request(again), FORBIDDEN)))
    }
    expectProblem(await viewer.request({ url: '/v1/audit-log' }), FORBIDDEN)
    expectProblem(await member.request(CLEAR), FORBIDDEN)
    const entries = await refusals()
    expect(entries.map(({ resource }) => resource.id).toSorted()).toEqual(['audit:read', 'cache:clear', 'cache:clear'])
    expect(new Set(entries.map(({ actor }) => actor.id)).size).toBe(2)
  })

  it('of an API key names the key', async () => {
    const payload = { name: 'reader', scopes: ['agents:read'] }
    const made = (await owner.request({ method: 'POST', url: '/v1/api-keys', payload })).json()
    expectProblem(await app.inject({ ...CLEAR, headers: { 'x-api-key': made.key } }), FORBIDDEN)
    expect((await refusals()).map(({ actor }) => actor)).toEqual([{ type: 'api_key', id: made.id }])
  })

  it('is refused all the same when that cannot be written down', async () => {
    const viewer = await Colleague.join(app, owner, 'viewer')
    await app.sql('ALTER TABLE pgboss.job RENAME TO job_away')
    try {
      expectProblem(await viewer.request(CLEAR), FORBIDDEN)
    } finally {
      await app.sql('ALTER TABLE pgboss.job_away RENAME TO job')
    }
  })
})

describe('a job of a batch that fails', () => {
  it('leaves nothing of what went wrong in the tables of the queue', async () => {
    failure = new Error(`cannot tell the team of ${owner.email}`)
    const payload = { email: owner.email, password: 'wrong' }
    expect((await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).statusCode).toBe(401)
    const failed = () =>
      app.sql(`SELECT output::text AS output FROM pgboss.job WHERE name = 'auth.failed-logins' AND retry_count > 0`)
    while ((await failed()).length === 0) await delay(POLL_MS)
    expect(JSON.stringify(await failed())).not.toMatch(/cannot tell|@example\.com/)
    failure = undefined
    await jobsAreDone()
    expect(await list(owner, '?action=authn_login_fail')).toHaveLength(1)
  })
})
