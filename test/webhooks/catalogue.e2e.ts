import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { type WebhookEvent, webhookEventListSchema } from '../../src/modules/webhooks/catalogue/event-types.schemas.js'
import { EVENT_TYPES, bodySchemaOf } from '../../src/modules/webhooks/catalogue/event-types.js'
import { WebhookDisabled } from '../../src/modules/webhooks/webhook.events.js'
import { ask, decide, letTimePass, whenDecided } from '../approvals/asked-approval.js'
import { eventually } from '../support/eventually.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { act, add as addSchedule } from '../scheduler/schedule.js'
import { simulatorEnv, whenFinished } from '../support/run-states.js'
import { plantSchedule } from '../support/schedule-rows.js'
import { createApiKey } from '../support/test-api-key.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import { addBudget } from '../costs/budget-lab.js'
import { add, patch, sendTest } from './endpoint.js'

type Body = { readonly type: string; readonly timestamp: string; readonly data: Record<string, unknown> }

/** As the published patterns have them: what the formats themselves accept is not this test's business. */
const FORMATS = { uuid: true, 'date-time': true } as const

let simulator: ModelSimulator
let app: TestApp
let owner: TestUser
let webhookId: string
let catalogue: WebhookEvent[]

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: simulatorEnv(simulator) })
  owner = await TestUser.register(app)
  webhookId = (await add(owner)).id
  catalogue = webhookEventListSchema.parse((await list({ limit: '100' })).json()).data
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

function list(query: Record<string, string> = {}) {
  return owner.request({ url: '/v1/webhook-events', query })
}

function entryOf(type: string): WebhookEvent {
  const entry = catalogue.find((candidate) => candidate.type === type)
  if (!entry) throw new Error(`${type} is not in the catalogue`)
  return entry
}

/** As a receiver would check, which knows the published schema alone. */
function validatorOf(type: string): ValidateFunction {
  return new Ajv2020({ strict: true, allErrors: true, formats: FORMATS }).compile(entryOf(type).schema)
}

async function bodies(where = ''): Promise<Body[]> {
  const rows = await app.sql(
    `SELECT body FROM webhook_messages WHERE tenant_id = $1 ${where} ORDER BY created_at, id`,
    [owner.tenantId],
  )
  return rows.map((row) => JSON.parse(String(row['body'])))
}

async function endRuns(): Promise<void> {
  await owner.run({ task: 'Say hello.' })
  simulator.set({ failure: { status: 500 } })
  await owner.run({ task: 'Say hello.' })
  simulator.reset()
  simulator.set({ hang: { afterChunks: 0 } })
  const { id } = (await owner.run({ task: 'Take long.' }, { prefer: 'respond-async' })).json()
  await owner.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
  await whenFinished(owner, id)
  simulator.reset()
}

async function decideApprovals(): Promise<void> {
  const { tenantId } = owner
  const [decided, expired] = [await ask(app, { tenantId }), await ask(app, { tenantId })]
  expect((await decide(owner, 'approve', decided.id, { payload: { comment: 'Go ahead.' } })).statusCode).toBe(200)
  await letTimePass(app, [expired.id])
  await whenDecided(owner, expired.id)
}

async function changeAccounts(): Promise<void> {
  const { id } = (await createApiKey(owner)).json()
  await owner.request({ method: 'DELETE', url: `/v1/api-keys/${id}` })
  const member = `/v1/members/${(await TestUser.join(app, owner, 'viewer')).userId}`
  expect((await owner.request({ method: 'PATCH', url: member, payload: { role: 'member' } })).statusCode).toBe(200)
  expect((await owner.request({ method: 'DELETE', url: member })).statusCode).toBe(204)
}

/** As the dispatcher does when a receiver has failed for days. */
async function disableAnother(): Promise<void> {
  const { tenantId } = owner
  const { id } = await add(owner, { active: false })
  const event = new WebhookDisabled(tenantId, id, 'failing')
  await app.nest.get(Database).transaction({ tenantId }, (tx) => app.nest.get(EventBus).emit(event, tx))
}

async function runOutOfTimes(): Promise<void> {
  const { id } = await addSchedule(owner)
  expect((await act(owner, id, 'pause')).statusCode).toBe(200)
  // One was due while nobody looked, and one is due for the first and last time.
  await plantSchedule(app, owner, { dueInMs: -60_000 })
  await plantSchedule(app, owner, { maxExecutions: 1 })
  const seen = () => bodies(`AND type IN ('schedule.missed', 'schedule.ended')`)
  await eventually(seen, ({ length }) => length === 2)
}

async function spendBudget(): Promise<void> {
  await addBudget(owner, { limitUsd: '0.000001', hard: false, alertPercents: [1] })
  await owner.run({ task: 'Say hello.' })
  const seen = () => bodies(`AND type LIKE 'budget.%'`)
  await eventually(seen, ({ length }) => length === 2)
}

describe('the catalogue of events', () => {
  it('has each type once, and can be revalidated', async () => {
    const response = await owner.request({ url: '/v1/webhook-events' })
    expect(response.headers).toMatchObject({ 'cache-control': 'private, no-cache', etag: expect.any(String) })
    const etag = String(response.headers['etag'])
    const again = await owner.request({ url: '/v1/webhook-events', headers: { 'if-none-match': etag } })
    expect(again.statusCode).toBe(304)
    const types = catalogue.map(({ type }) => type)
    expect(new Set(types).size).toBe(types.length)
    expect(types).toEqual(
      expect.arrayContaining(['run.completed', 'approval.expired', 'apiKey.created', 'webhook.test']),
    )
    for (const type of types) expect(type).toMatch(/^[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/)
  })

  it('is a list like any other: a page of 20 unless asked for another, and one that is full can be the last', async () => {
    const { data, nextCursor } = (await list()).json()
    expect(data).toEqual(catalogue.slice(0, 20))
    expect(nextCursor === null).toBe(catalogue.length <= 20)
    const full = await list({ limit: String(catalogue.length) })
    expect(full.json()).toEqual({ data: catalogue, nextCursor: null })
    expect(full.headers).not.toHaveProperty('link')
  })

  it('is paged without loss or repeat', async () => {
    const seen: WebhookEvent[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const response = await list({ limit: '7', ...(cursor && { cursor }) })
      const { data, nextCursor } = webhookEventListSchema.parse(response.json())
      expect(data).toHaveLength(Math.min(7, catalogue.length - seen.length))
      const next = nextCursor === null ? undefined : `</v1/webhook-events?limit=7&cursor=${nextCursor}>; rel="next"`
      expect(response.headers['link']).toBe(next)
      seen.push(...data)
      cursor = nextCursor
    }
    expect(seen).toEqual(catalogue)
  })

  it.each([
    ['a limit of 0', { limit: '0' }, '/limit'],
    ['a limit of 101', { limit: '101' }, '/limit'],
    ['a cursor that is none', { cursor: 'abc' }, '/cursor'],
    ['a cursor of another list', { cursor: Buffer.from('developer').toString('base64url') }, '/cursor'],
    ['an unknown parameter', { types: 'run.*' }, '/types'],
  ])('refuses %s', async (_what, query: Record<string, string>, pointer) => {
    expectProblem(await list(query), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it('has examples that their schemas allow, with fields to come, and no field too few', () => {
    for (const { type, example } of catalogue) {
      const validate = validatorOf(type)
      const { data } = example as unknown as Body
      expect([type, validate(example), validate.errors]).toEqual([type, true, null])
      expect([type, validate({ ...example, data: { ...data, addedLater: 1 }, addedLater: 1 })]).toEqual([type, true])
      expect([type, validate({ ...example, type: 'run.restarted' })]).toEqual([type, false])
      for (const name of Object.keys(data)) {
        const { [name]: _, ...rest } = data
        expect([type, name, validate({ ...example, data: rest })]).toEqual([type, name, false])
      }
    }
  })

  it('is what is told: everything that happens has the form of its schema and of its example', async () => {
    await endRuns()
    await decideApprovals()
    await changeAccounts()
    await disableAnother()
    await runOutOfTimes()
    await spendBudget()
    await sendTest(owner, webhookId)
    const told = await bodies()
    expect([...new Set(told.map(({ type }) => type))].sort()).toEqual(catalogue.map(({ type }) => type).sort())
    for (const body of told) {
      const { type, data } = body
      const validate = validatorOf(type)
      expect([body, validate(body), validate.errors]).toEqual([body, true, null])
      // The published schema lets more pass than is promised; this one does not.
      const strict = EVENT_TYPES.find((event) => event.type === type)
      expect([body, strict && bodySchemaOf(strict).safeParse(body).error]).toEqual([body, undefined])
      const example = entryOf(type).example as unknown as Body
      expect([type, formOf(data)]).toEqual([type, formOf(example.data)])
    }
  })
})

/** Which fields there are, to any depth; null has any form. */
function formOf(data: Record<string, unknown>): string[] {
  return Object.entries(data)
    .flatMap(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? formOf(value as Record<string, unknown>).map((inner) => `${name}.${inner}`)
        : [name],
    )
    .sort()
}

describe('a test event', () => {
  it('is a webhook.test for that webhook alone, whatever it listens to', async () => {
    const [mine, other] = [await add(owner, { events: ['run.failed'] }), await add(owner)]
    const response = await sendTest(owner, mine.id)
    expect(response.statusCode).toBe(202)
    const { deliveryId, messageId } = response.json()
    const rows = await app.sql(
      'SELECT d.id, webhook_id, event_type, body FROM webhook_deliveries d JOIN webhook_messages m ON m.id = message_id WHERE m.id = $1',
      [messageId],
    )
    expect(rows).toEqual([
      { id: deliveryId, webhook_id: mine.id, event_type: 'webhook.test', body: expect.any(String) },
    ])
    expect(JSON.parse(String(rows[0]?.['body']))).toEqual({
      type: 'webhook.test',
      timestamp: expect.any(String),
      data: { webhookId: mine.id },
    })
    expect(await app.sql('SELECT 1 FROM webhook_deliveries WHERE webhook_id = $1', [other.id])).toEqual([])
  })

  it('is the example of any type of the catalogue', async () => {
    for (const { type, example } of catalogue) {
      const { messageId } = (await sendTest(owner, webhookId, { type })).json()
      const [sent] = await bodies(`AND id = '${messageId}'`)
      const data = type === 'webhook.test' ? { webhookId } : example['data']
      expect(sent).toEqual({ type, timestamp: expect.any(String), data })
      expect(validatorOf(type)(sent)).toBe(true)
    }
  })

  it('happens once for an Idempotency-Key', async () => {
    const [first, again] = [await sendTest(owner, webhookId, {}, 'once'), await sendTest(owner, webhookId, {}, 'once')]
    expect([again.statusCode, again.json(), again.headers['idempotent-replayed']]).toEqual([202, first.json(), 'true'])
  })

  it('is refused for a webhook that is not active', async () => {
    const { id } = await add(owner, { active: false })
    expectProblem(await sendTest(owner, id), { status: 409, code: 'webhook_inactive' })
    await patch(owner, id, { active: true })
    expect((await sendTest(owner, id)).statusCode).toBe(202)
  })

  it.each([
    ['run.complete', 'Unknown event type "run.complete". Did you mean "run.completed"?'],
    ['webhook.tests', 'Unknown event type "webhook.tests". Did you mean "webhook.test"?'],
    ['run.*', expect.stringMatching(/^Unknown event type "run\.\*"\./)],
    [7, 'Must be the name of an event type.'],
  ])('is of a type that there is: not %j', async (type, detail) => {
    const answer = await sendTest(owner, webhookId, { type })
    const problem = expectProblem(answer, { status: 400, code: 'validation_failed', pointers: ['/type'] })
    expect(problem.errors?.[0]?.detail).toEqual(detail)
  })
})
