import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import {
  deliveryPageSchema,
  MAX_SHOWN_ATTEMPTS,
  type WebhookDelivery,
  webhookDeliverySchema,
  type WebhookDeliverySummary,
  webhookDeliverySummarySchema,
} from '../../src/modules/webhooks/deliveries/deliveries.schemas.js'
import { list as listAudit } from '../audit/audit-trail.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import {
  deleteWebhook,
  plantAttempts,
  plantDeliveries,
  plantWebhook,
  type WebhookKey,
} from '../support/webhook-rows.js'

const NO_SUCH_WEBHOOK = 'There is no such webhook.'
const NO_SUCH_DELIVERY = 'There is no such delivery.'
const DAY_MS = 86_400_000
const YESTERDAY = new Date(Date.now() - DAY_MS)

let app: TestApp
let owner: TestUser
let webhook: WebhookKey

beforeAll(async () => {
  app = await TestApp.start()
  owner = await TestUser.register(app)
})
beforeEach(async () => {
  webhook = await plantWebhook(app, owner)
})
afterAll(async () => app[Symbol.asyncDispose]())

const ask = (query = '', { webhookId } = webhook): Promise<LightMyRequestResponse> =>
  owner.request({ url: `/v1/webhooks/${webhookId}/deliveries${query}` })

async function list(query = ''): Promise<WebhookDeliverySummary[]> {
  const response = await ask(query)
  expect(response.statusCode).toBe(200)
  return deliveryPageSchema.parse(response.json()).data
}
const idsOf = async (query = ''): Promise<string[]> => (await list(query)).map(({ id }) => id)
const plant = async (options: Parameters<typeof plantDeliveries>[2] = {}): Promise<string[]> =>
  (await plantDeliveries(app, webhook, options)).map(({ id }) => id)
const plantOne = async (status: string): Promise<string> => (await plant({ status }))[0]!

async function get(id: string): Promise<WebhookDelivery> {
  const response = await owner.request({ url: `/v1/webhook-deliveries/${id}` })
  expect(response.statusCode).toBe(200)
  return webhookDeliverySchema.parse(response.json())
}

const retry = (id: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
  owner.request({ method: 'POST', url: `/v1/webhook-deliveries/${id}/retry`, headers })

const rowOf = async (id: string): Promise<Record<string, unknown>> =>
  (
    await app.sql(
      `SELECT status, attempts, claim_number::int AS claim, finished_at, next_retry_at <= now() AS "isDue" FROM webhook_deliveries
        WHERE id = $1`,
      [id],
    )
  )[0]!

describe('the list', () => {
  it("has the webhook's deliveries, newest first, without what was sent and answered", async () => {
    const [first, second] = await plantDeliveries(app, webhook, { count: 2 })
    await plantDeliveries(app, await plantWebhook(app, owner))
    const rows = await list()
    expect(rows).toEqual([
      expect.objectContaining({ id: second?.id }),
      {
        id: first?.id,
        webhookId: webhook.webhookId,
        messageId: first?.messageId,
        eventType: 'run.completed',
        status: 'delivered',
        attemptCount: 0,
        nextRetryAt: null,
        lastStatus: null,
        lastError: null,
        replayId: null,
        createdAt: first?.createdAt.toISOString(),
        finishedAt: first?.createdAt.toISOString(),
      },
    ])
  })

  it('says when a delivery is due, and of one under way nothing', async () => {
    for (const status of ['pending', 'retrying', 'delivering', 'exhausted']) await plantOne(status)
    const due = (await list()).map(({ status, nextRetryAt }) => [status, nextRetryAt !== null])
    expect(due).toEqual([
      ['exhausted', false],
      ['delivering', false],
      ['retrying', true],
      ['pending', true],
    ])
  })

  it('is filtered by status, by type and by both', async () => {
    const [exhausted] = await plant({ status: 'exhausted' })
    const [delivered] = await plant({ status: 'delivered', createdAt: new Date(Date.now() + 1) })
    const [failed] = await plant({ status: 'exhausted', eventType: 'run.failed', createdAt: new Date(Date.now() + 2) })
    expect(await idsOf('?status=exhausted')).toEqual([failed, exhausted])
    expect(await idsOf('?status=delivered')).toEqual([delivered])
    expect(await idsOf('?status=pending')).toEqual([])
    expect(await idsOf('?eventType=run.completed')).toEqual([delivered, exhausted])
    expect(await idsOf('?eventType=run.failed&status=exhausted')).toEqual([failed])
    expect(await idsOf('?eventType=nobody.knows')).toEqual([])
  })

  it('is of a window of time to the millisecond: its begin included, its end not', async () => {
    const ids = await plant({ count: 4, createdAt: YESTERDAY })
    await plant()
    const [from, to] = [1, 3].map((ms) => new Date(YESTERDAY.getTime() + ms).toISOString())
    expect(await idsOf(`?from=${from}&to=${to}`)).toEqual([ids[2], ids[1]])
    expect(await idsOf(`?from=${to}&to=${from}`)).toEqual([])
    expect(await idsOf(`?to=${from}`)).toEqual([ids[0]])
    expect(await idsOf('?from=0000-01-01T00:00:00%2B14:00&to=9999-12-31T23:59:59-14:00')).toHaveLength(5)
  })

  it('is paged without a gap or a repetition while deliveries arrive', async () => {
    const ids = await plant({ count: 7, createdAt: YESTERDAY })
    const seen: string[] = []
    let query = '?limit=3'
    for (let page = 0; page < 3; page += 1) {
      const response = await ask(query)
      const { data, nextCursor } = deliveryPageSchema.parse(response.json())
      seen.push(...data.map(({ id }) => id))
      expect(response.headers.link === undefined).toBe(nextCursor === null)
      query = `?limit=3&cursor=${nextCursor}`
      await plant({ count: 2 })
    }
    expect(seen).toEqual(ids.toReversed())
  })

  it.each([
    ['?status=sent', '/status'],
    ['?status=pending&status=delivered', '/status'],
    ['?eventType=', '/eventType'],
    ["?eventType=run.completed'--", '/eventType'],
    ['?eventType=run.%00', '/eventType'],
    ['?from=yesterday', '/from'],
    ['?to=2026-02-30T00:00:00Z', '/to'],
    ['?limit=0', '/limit'],
    ['?cursor=x', '/cursor'],
    ['?webhookId=x', '/webhookId'],
  ])('refuses %s', async (query, pointer) => {
    expectProblem(await ask(query), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it("is not there for a webhook that is deleted, is another tenant's, or never was", async () => {
    const theirs = await plantWebhook(app, await TestUser.register(app))
    await plantDeliveries(app, theirs)
    await plant()
    await deleteWebhook(app, webhook)
    for (const webhookId of [webhook.webhookId, theirs.webhookId, newId(), 'x']) {
      const problem = expectProblem(await ask('', { ...webhook, webhookId }), { status: 404, code: 'not_found' })
      expect(problem.detail).toBe(NO_SUCH_WEBHOOK)
    }
  })
})

describe('a delivery', () => {
  it('comes with where it goes, the exact text that is signed, and its attempts in order', async () => {
    const id = await plantOne('retrying')
    const body = '{"type":"run.completed",  "data":{"z":1,"a":"é\\u0000"}}'
    await app.sql(
      'UPDATE webhook_messages m SET body = $2 FROM webhook_deliveries d WHERE d.message_id = m.id AND d.id = $1',
      [id, body],
    )
    await plantAttempts(app, webhook, id, 2)
    await app.sql(
      `INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms, error)
       VALUES ($1, $2, 3, now(), 15000, 'timeout')`,
      [webhook.tenantId, id],
    )
    const { attempts, ...delivery } = await get(id)
    expect(delivery).toEqual({ ...(await list())[0], url: 'https://hooks.example.com/in', body })
    const answered = {
      startedAt: expect.any(String),
      durationMs: 12,
      status: 503,
      headers: { 'retry-after': '1' },
      body: 'Try later.',
      error: null,
    }
    const unanswered = { durationMs: 15_000, status: null, headers: null, body: null, error: 'timeout' }
    expect(attempts).toEqual([
      { number: 1, ...answered },
      { number: 2, ...answered },
      { number: 3, startedAt: expect.any(String), ...unanswered },
    ])
  })

  it('shows the last of very many attempts, and counts all', async () => {
    const id = await plantOne('exhausted')
    await plantAttempts(app, webhook, id, MAX_SHOWN_ATTEMPTS + 5)
    const { attemptCount, attempts } = await get(id)
    expect(attemptCount).toBe(MAX_SHOWN_ATTEMPTS + 5)
    expect([attempts.length, attempts[0]?.number, attempts.at(-1)?.number]).toEqual([
      MAX_SHOWN_ATTEMPTS,
      6,
      MAX_SHOWN_ATTEMPTS + 5,
    ])
  })

  it('outlives its webhook', async () => {
    const id = await plantOne('delivered')
    await deleteWebhook(app, webhook)
    expect((await get(id)).webhookId).toBe(webhook.webhookId)
  })

  it("is not there when it is another tenant's, or never was", async () => {
    const [theirs] = await plantDeliveries(app, await plantWebhook(app, await TestUser.register(app)))
    for (const id of [theirs?.id, newId(), 'x']) {
      const answers = [await owner.request({ url: `/v1/webhook-deliveries/${id}` }), await retry(String(id))]
      for (const answer of answers) {
        expect(expectProblem(answer, { status: 404, code: 'not_found' }).detail).toBe(NO_SUCH_DELIVERY)
      }
    }
    expect((await rowOf(theirs!.id))['status']).toBe('delivered')
  })
})

describe('a retry', () => {
  it.each(['pending', 'retrying', 'delivered', 'exhausted'])('makes a delivery due that is %s', async (status) => {
    const id = await plantOne(status)
    await plantAttempts(app, webhook, id, 3)
    const answer = await retry(id)
    expect(answer.statusCode).toBe(202)
    const delivery = webhookDeliverySummarySchema.parse(answer.json())
    expect(delivery).toMatchObject({ id, status: 'pending', attemptCount: 3, finishedAt: null })
    expect(Date.parse(String(delivery.nextRetryAt))).toBeLessThanOrEqual(Date.now() + 1000)
    expect(await rowOf(id)).toEqual({ status: 'pending', attempts: 3, claim: 1, finished_at: null, isDue: true })
    const [entry] = await listAudit(owner, '?action=webhook_delivery_retried')
    expect(entry).toMatchObject({
      actor: { type: 'user', id: owner.userId },
      resource: { type: 'webhook_delivery', id },
      // The log keeps what has changed.
      before: status === 'pending' ? {} : { status },
      after: { webhookId: webhook.webhookId },
    })
  })

  it('rings the bell of its tenant when it is committed', async () => {
    const id = await plantOne('exhausted')
    await withClient(app.database.url, async (client) => {
      const rung = new Promise<string | undefined>((resolve) =>
        client.on('notification', ({ payload }) => resolve(payload)),
      )
      await client.query('LISTEN webhook_deliveries')
      await retry(id)
      expect(await rung).toBe(webhook.tenantId)
    })
  })

  it('leaves a delivery its place in the queue that is due already', async () => {
    const id = await plantOne('retrying')
    await app.sql(`UPDATE webhook_deliveries SET next_retry_at = '2026-01-01T00:00:00Z' WHERE id = $1`, [id])
    expect((await retry(id)).json().nextRetryAt).toBe('2026-01-01T00:00:00.000Z')
  })

  it('is refused while the delivery is being sent, and not when whoever sent it is gone', async () => {
    const id = await plantOne('delivering')
    expectProblem(await retry(id), { status: 409, code: 'delivery_in_progress' })
    expect(await rowOf(id)).toMatchObject({ status: 'delivering', claim: 0 })
    await app.sql(`UPDATE webhook_deliveries SET next_retry_at = now() - interval '1 s' WHERE id = $1`, [id])
    expect((await retry(id)).statusCode).toBe(202)
    // Who comes back late finds his claim taken.
    expect(await rowOf(id)).toMatchObject({ status: 'pending', claim: 1 })
  })

  it('is refused for a webhook that is switched off or deleted', async () => {
    const inactive = await plantWebhook(app, owner, { isActive: false })
    const [waiting] = await plantDeliveries(app, inactive, { status: 'exhausted' })
    const left = await plantOne('exhausted')
    await deleteWebhook(app, webhook)
    for (const id of [waiting!.id, left]) {
      expectProblem(await retry(id), { status: 409, code: 'webhook_inactive' })
      expect((await rowOf(id))['status']).toBe('exhausted')
    }
  })

  it('happens once, however often it is asked for with one key', async () => {
    const id = await plantOne('exhausted')
    const headers = { 'idempotency-key': newId() }
    const [first, second] = [await retry(id, headers), await retry(id, headers)]
    expect([first.statusCode, second.statusCode]).toEqual([202, 202])
    expect(second.json()).toEqual(first.json())
    expect(second.headers['idempotent-replayed']).toBe('true')
    expect(await rowOf(id)).toMatchObject({ claim: 1 })
  })
})
