import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import type { AuditedEvent } from '#platform/events/audited-event.js'
import {
  webhookPageSchema,
  webhookSchema,
  webhookWithSecretSchema,
} from '../../src/modules/webhooks/endpoints/webhooks.schemas.js'
import { expectProblem } from '../support/problem.js'
import { recordEvents } from '../support/recorded-events.js'
import { createApiKey, TestApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { add, get, patch, post, RECEIVER, remove, rotate, sendTest, show, typesToldTo } from './endpoint.js'

const MAX_ENDPOINTS = 50
const NO_TROUBLE = {
  circuit: 'closed',
  consecutiveFailures: 0,
  failingSince: null,
  lastSuccessAt: null,
  lastFailureAt: null,
  pausedUntil: null,
}

let app: TestApp
let owner: TestUser
let events: ReturnType<typeof recordEvents>

beforeAll(async () => {
  app = await TestApp.start()
  events = recordEvents(app)
})
beforeEach(async () => {
  owner = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

/** Something happens that endpoints can listen to: `apiKey.created`. */
async function makeKey(by = owner): Promise<void> {
  expect((await createApiKey(by)).statusCode).toBe(201)
}

describe('adding a webhook', () => {
  it('answers with the webhook, and this once with its secret', async () => {
    const response = await post(owner, { events: ['run.completed', 'apiKey.*'], description: ' CI ', maxPerSecond: 5 })
    expect(response.statusCode).toBe(201)
    const { secret, ...webhook } = webhookWithSecretSchema.parse(response.json())
    expect(webhook).toMatchObject({
      url: RECEIVER,
      description: 'CI',
      events: ['run.completed', 'apiKey.*'],
      active: true,
      maxPerSecond: 5,
      disabledReason: null,
      disabledAt: null,
      health: NO_TROUBLE,
      secrets: [{ expiresAt: null }],
    })
    expect(response.headers['location']).toBe(`/v1/webhooks/${webhook.id}`)
    expect(response.headers['cache-control']).toBe('no-store')
    const shown = await get(owner, webhook.id)
    expect(webhookSchema.parse(shown.json())).toEqual(webhook)
    const list = await owner.request({ url: '/v1/webhooks' })
    expect(webhookPageSchema.parse(list.json()).data).toEqual([webhook])
    expect(shown.body + list.body).not.toContain('whsec_')
    expect(Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).toHaveLength(32)
  })

  it('keeps no secret in clear, neither in its own table nor in the kept answer', async () => {
    const key = newId()
    const { secret, id } = (await post(owner, {}, key)).json()
    const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const [row] = await app.sql('SELECT sealed FROM webhook_secrets WHERE webhook_id = $1', [id])
    const [kept] = await app.sql('SELECT response_body FROM idempotency_keys WHERE tenant_id = $1 AND key = $2', [
      owner.tenantId,
      key,
    ])
    for (const stored of [row?.['sealed'], kept?.['response_body']] as Buffer[]) {
      expect(stored.length).toBeGreaterThan(bytes.length)
      expect([stored.includes(bytes), stored.includes(secret), stored.includes('whsec_')]).toEqual([
        false,
        false,
        false,
      ])
    }
  })

  it('happens once for an Idempotency-Key, whose answer has the same secret', async () => {
    const key = newId()
    const [first, again] = [await post(owner, {}, key), await post(owner, {}, key)]
    expect([again.statusCode, again.json(), again.headers['idempotent-replayed']]).toEqual([201, first.json(), 'true'])
    expect(again.headers['location']).toBe(first.headers['location'])
    expect((await owner.request({ url: '/v1/webhooks' })).json().data).toHaveLength(1)
    const other = await post(owner, { events: ['run.*'] }, key)
    expectProblem(other, { status: 422, code: 'idempotency_key_reused' })
  })

  it(`takes ${MAX_ENDPOINTS} a tenant, also of those who ask at once`, async () => {
    const asked = Array.from({ length: MAX_ENDPOINTS + 1 }, () => post(owner, {}))
    const answers = await Promise.all(asked)
    const refused = answers.filter(({ statusCode }) => statusCode !== 201)
    expect(refused).toHaveLength(1)
    const { detail } = expectProblem(refused[0]!, { status: 400, code: 'validation_failed', pointers: [''] })
    expect(detail).toBe('A tenant has at most 50 webhooks: delete one that is not used.')
    expect((await post(await TestUser.register(app), {})).statusCode).toBe(201)
    const { data } = (await owner.request({ url: '/v1/webhooks?limit=1' })).json()
    await remove(owner, data[0].id)
    expect((await post(owner, {})).statusCode).toBe(201)
    expect((await post(owner, {})).statusCode).toBe(400)
  })
})

describe('what a webhook is told', () => {
  it.each([
    ['by type', ['apiKey.created']],
    ['by noun', ['apiKey.*']],
    ['of everything', ['run.completed', '*']],
  ])('is what it listens to: %s', async (_, listened) => {
    const [told, other, inactive] = [
      await add(owner, { events: listened }),
      await add(owner, { events: ['run.*', 'apiKey.deleted'] }),
      await add(owner, { events: listened, active: false }),
    ]
    await makeKey()
    expect(await typesToldTo(app, told.id)).toEqual(['apiKey.created'])
    expect(await typesToldTo(app, other.id)).toEqual([])
    expect(await typesToldTo(app, inactive.id)).toEqual([])
  })

  it('follows its changes: other events, off, on, deleted', async () => {
    const { id } = await add(owner, { events: ['run.*'] })
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(0)
    await patch(owner, id, { events: ['apiKey.created'] })
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(1)
    await patch(owner, id, { active: false })
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(1)
    await patch(owner, id, { active: true })
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(2)
    await patch(owner, id, { events: ['run.*'] })
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(2)
    await patch(owner, id, { events: ['*'] })
    await remove(owner, id)
    await makeKey()
    expect(await typesToldTo(app, id)).toHaveLength(2)
  })

  it('is of its own tenant only', async () => {
    const { id } = await add(owner)
    await makeKey(await TestUser.register(app))
    expect(await typesToldTo(app, id)).toEqual([])
  })

  it('is a run, from its start to its end', async () => {
    const { id } = await add(owner, { events: ['run.*'] })
    await owner.run({ task: 'Say hello.' })
    expect(await typesToldTo(app, id)).toEqual(['run.started', 'run.completed'])
  })
})

describe('changing a webhook', () => {
  it('changes what is named, and keeps the rest', async () => {
    const { secret: _, ...webhook } = await add(owner, { description: 'CI', maxPerSecond: 5 })
    const url = 'https://elsewhere.invalid/hook?token=x'
    const changed = webhookSchema.parse((await patch(owner, webhook.id, { url })).json())
    expect(changed).toEqual({ ...webhook, url, updatedAt: changed.updatedAt })
    expect(changed.updatedAt >= webhook.updatedAt).toBe(true)
    expect(await show(owner, webhook.id)).toEqual(changed)
    const all = { url: RECEIVER, events: ['run.failed'], description: 'x', active: false, maxPerSecond: 1000 }
    expect((await patch(owner, webhook.id, all)).json()).toMatchObject(all)
  })

  it('clears with null, and not with nothing', async () => {
    const { id } = await add(owner, { description: 'CI', maxPerSecond: 5 })
    expect((await patch(owner, id, {})).json()).toMatchObject({ description: 'CI', maxPerSecond: 5 })
    const cleared = { description: null, maxPerSecond: null }
    expect((await patch(owner, id, cleared)).json()).toMatchObject(cleared)
  })

  it.each(['url', 'events', 'active'])('refuses null for %s', async (name) => {
    const { id } = await add(owner)
    const answer = await patch(owner, id, { [name]: null })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: [`/${name}`] })
  })

  it('loses no change of two at once', async () => {
    const { id } = await add(owner)
    await Promise.all([patch(owner, id, { description: 'x' }), patch(owner, id, { maxPerSecond: 7 })])
    expect(await show(owner, id)).toMatchObject({ description: 'x', maxPerSecond: 7 })
  })
})

describe('webhooks', () => {
  it('are gone everywhere once deleted, with their secrets; their deliveries stay', async () => {
    const { id } = await add(owner, { events: ['apiKey.*'] })
    await makeKey()
    expect((await remove(owner, id)).statusCode).toBe(204)
    for (const answer of [
      await get(owner, id),
      await patch(owner, id, { active: true }),
      await remove(owner, id),
      await rotate(owner, id),
      await sendTest(owner, id),
    ]) {
      expectProblem(answer, { status: 404, code: 'not_found' })
    }
    expect((await owner.request({ url: '/v1/webhooks' })).json().data).toEqual([])
    expect(await app.sql('SELECT 1 FROM webhook_secrets WHERE webhook_id = $1', [id])).toEqual([])
    expect(await typesToldTo(app, id)).toHaveLength(1)
  })

  it('of another tenant are as if they had never been', async () => {
    const { id } = await add(owner)
    const stranger = await TestUser.register(app)
    for (const named of [id, newId(), 'nonsense']) {
      for (const ask of [get, patch, remove, rotate, sendTest]) {
        const answer = await ask(stranger, named, {})
        expect(expectProblem(answer, { status: 404, code: 'not_found' }).detail).toBe('There is no such webhook.')
      }
    }
    expect(await show(owner, id)).toMatchObject({ active: true, secrets: [{ expiresAt: null }] })
  })

  it('are listed in pages, newest first', async () => {
    const ids = [await add(owner), await add(owner), await add(owner)].map(({ id }) => id).reverse()
    const first = await owner.request({ url: '/v1/webhooks?limit=2' })
    const { data, nextCursor } = first.json()
    expect(first.headers['link']).toBe(`</v1/webhooks?limit=2&cursor=${nextCursor}>; rel="next"`)
    const rest = (await owner.request({ url: `/v1/webhooks?limit=2&cursor=${nextCursor}` })).json()
    expect([...data, ...rest.data].map(({ id }) => id)).toEqual(ids)
    expect(rest.nextCursor).toBeNull()
    const wrong = await owner.request({ url: '/v1/webhooks?cursor=x' })
    expectProblem(wrong, { status: 400, code: 'validation_failed', pointers: ['/cursor'] })
  })

  it('are for owners and admins', async () => {
    const { id } = await add(owner)
    for (const role of ['member', 'viewer']) {
      const someone = await TestUser.join(app, owner, role)
      for (const ask of [get, patch, remove, rotate, sendTest]) {
        expectProblem(await ask(someone, id, {}), { status: 403, code: 'forbidden' })
      }
      expectProblem(await post(someone, {}), { status: 403, code: 'forbidden' })
      expectProblem(await someone.request({ url: '/v1/webhook-events' }), { status: 403, code: 'forbidden' })
    }
    expect((await post(await TestUser.join(app, owner, 'admin'), {})).statusCode).toBe(201)
  })

  it('are read and written by API keys as far as their scopes go', async () => {
    const { id } = await add(owner)
    const reader = await TestApiKey.create(app, owner, { scopes: ['webhooks:read'] })
    expect((await get(reader, id)).statusCode).toBe(200)
    expect((await reader.request({ url: '/v1/webhook-events' })).statusCode).toBe(200)
    for (const ask of [patch, remove, rotate, sendTest]) {
      expectProblem(await ask(reader, id, {}), { status: 403, code: 'forbidden' })
    }
    const writer = await TestApiKey.create(app, owner, { scopes: ['webhooks:write'] })
    expect((await post(writer, {})).statusCode).toBe(201)
    expectProblem(await get(writer, id), { status: 403, code: 'forbidden' })
  })

  it('leave a trail without secrets or what their URLs say in the query, and none of a change that is none', async () => {
    const { id, secret } = await add(owner, { url: `${RECEIVER}?token=s3cr3t`, description: 'CI' })
    await patch(owner, id, {})
    await patch(owner, id, { url: RECEIVER, description: 'CI' })
    const rotated = (await rotate(owner, id)).json().secret
    await remove(owner, id)
    const trail = events.ofType('webhook.').map((event) => (event as AuditedEvent).audit)
    const own = trail.filter(({ resource }) => resource.id === id)
    expect(own.map(({ action }) => action)).toEqual([
      'webhook_created',
      'webhook_changed',
      'webhook_secret_rotated',
      'webhook_deleted',
    ])
    expect(own[1]).toMatchObject({ before: { url: RECEIVER }, after: { url: RECEIVER, isUrlNew: true } })
    const log = await owner.request({ url: '/v1/audit-log' })
    for (const { action } of own) expect(log.body).toContain(action)
    const said = log.body + JSON.stringify(own)
    for (const hidden of ['s3cr3t', 'whsec_', secret.slice(6), rotated.slice(6)]) expect(said).not.toContain(hidden)
  })
})
