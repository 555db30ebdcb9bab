import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { Epochs } from '#platform/cache/epochs.js'
import { AuditedEvent } from '#platform/events/audited-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Colleague } from '../support/colleague.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const URL = '/v1/admin/cache/clear'

interface Requester {
  request: TestUser['request']
}

let app: TestApp
let owner: TestUser
let failure: Error | undefined
const audited: AuditedEvent[] = []

beforeAll(async () => {
  app = await TestApp.start()
  app.nest.get(EventBus).subscribe(AuditedEvent, async (event) => {
    if (failure) throw failure
    // Refusals are told by a job, in the middle of whatever test is on then.
    if (event.type !== 'access.refused') audited.push(event)
  })
})
afterAll(() => app?.[Symbol.asyncDispose]())
beforeEach(async () => {
  failure = undefined
  owner = await TestUser.register(app)
  audited.length = 0
})

function clear(who: Requester, payload: object): Promise<LightMyRequestResponse> {
  return who.request({ method: 'POST', url: URL, payload })
}

const ask = async (who: Requester): Promise<unknown> => (await who.request({ url: '/v1/agents' })).headers['x-cache']

async function fill(who: Requester): Promise<void> {
  await ask(who)
  expect(await ask(who)).toBe('HIT')
}

const epochOf = async (name: string): Promise<string | undefined> => app.nest.get(Epochs).read([name])

describe('POST /v1/admin/cache/clear', () => {
  it.each([
    ['all', 'MISS', true],
    ['responses', 'MISS', false],
    ['permissions', 'HIT', true],
  ])('%s: the next answer is a %s; permissions are asked for anew: %s', async (scope, next, arePermissionsNew) => {
    await fill(owner)
    const name = `tenant:${owner.tenantId}`
    const before = await epochOf(name)
    const response = await clear(owner, { scope })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ scope, clearedAt: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) })
    expect(await ask(owner)).toBe(next)
    expect((await epochOf(name)) !== before).toBe(arePermissionsNew)
  })

  it('clears nothing of another tenant', async () => {
    const other = await TestUser.register(app)
    await fill(other)
    const before = await epochOf(`tenant:${other.tenantId}`)
    await clear(owner, { scope: 'all' })
    expect(await ask(other)).toBe('HIT')
    expect(await epochOf(`tenant:${other.tenantId}`)).toBe(before)
  })

  it('is done once for one idempotency key: the repetition clears nothing and is answered alike', async () => {
    const headers = { 'idempotency-key': 'clear-once' }
    const once = () => owner.request({ method: 'POST', url: URL, payload: { scope: 'all' }, headers })
    const first = await once()
    await fill(owner)
    const second = await once()
    expect([second.statusCode, second.headers['idempotent-replayed'], second.body]).toEqual([200, 'true', first.body])
    expect(await ask(owner)).toBe('HIT')
    expect(audited.map(({ type }) => type)).toEqual(['cache.cleared'])
  })

  it('is open to admins, and to nobody below', async () => {
    const admin = await Colleague.join(app, owner, 'admin')
    expect((await clear(admin, { scope: 'all' })).statusCode).toBe(200)
    for (const role of ['member', 'viewer'] as const) {
      const colleague = await Colleague.join(app, owner, role)
      await fill(colleague)
      expectProblem(await clear(colleague, { scope: 'all' }), { status: 403, code: 'forbidden' })
      expect(await ask(colleague)).toBe('HIT')
    }
  })

  it.each([
    ['no scope', {}, '/scope'],
    ['another scope', { scope: 'tenants' }, '/scope'],
    ["another tenant's id", { scope: 'all', tenantId: 'x' }, '/tenantId'],
  ])('refuses %s', async (_what, payload, pointer) => {
    expectProblem(await clear(owner, payload), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it('is told to the audit log', async () => {
    await clear(owner, { scope: 'responses' })
    expect(audited).toEqual([
      expect.objectContaining({
        type: 'cache.cleared',
        tenantId: owner.tenantId,
        audit: { action: 'cache_cleared', resource: { type: 'cache', id: 'responses' } },
      }),
    ])
  })

  it('clears nothing that cannot be recorded', async () => {
    await fill(owner)
    failure = new Error('no audit today')
    expect((await clear(owner, { scope: 'all' })).statusCode).toBe(500)
    expect(await ask(owner)).toBe('HIT')
  })
})
