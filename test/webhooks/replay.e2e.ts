import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { LightMyRequestResponse } from 'fastify'
import { newId } from '#kernel/ids.js'
import { ReplayJob } from '../../src/modules/webhooks/replays/replay.job.js'
import {
  replayPageSchema,
  type WebhookReplay,
  webhookReplaySchema,
} from '../../src/modules/webhooks/replays/replays.schemas.js'
import { list as listAudit } from '../audit/audit-trail.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'
import {
  deleteWebhook,
  type PlantedDelivery,
  plantDeliveries,
  plantWebhook,
  type WebhookKey,
} from '../support/webhook-rows.js'

const HOUR_MS = 3_600_000
const AN_HOUR_AGO = new Date(Date.now() - HOUR_MS)
const SINCE = new Date(Date.now() - 2 * HOUR_MS).toISOString()

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

const ask = (
  payload: object,
  { webhookId = webhook.webhookId, headers = {} }: { webhookId?: string; headers?: Record<string, string> } = {},
): Promise<LightMyRequestResponse> =>
  owner.request({ method: 'POST', url: `/v1/webhooks/${webhookId}/replay`, payload, headers })

async function count(payload: object): Promise<number> {
  const answer = await ask({ ...payload, dryRun: true })
  expect(answer.statusCode).toBe(200)
  return answer.json().count
}

async function get(id: string): Promise<WebhookReplay> {
  const answer = await owner.request({ url: `/v1/webhooks/${webhook.webhookId}/replays/${id}` })
  expect(answer.statusCode).toBe(200)
  return webhookReplaySchema.parse(answer.json())
}

/** Has a window replayed to its end. */
async function replay(payload: object = { since: SINCE }): Promise<WebhookReplay> {
  const answer = await ask(payload)
  expect(answer.statusCode).toBe(202)
  await app.nest.get(ReplayJob).work()
  // Of two passes one has begun after the replay was there.
  await app.nest.get(ReplayJob).work()
  return get(answer.json().id)
}

/** Messages that the replay has made due, in the order in which they will be sent. */
async function madeBy(id: string): Promise<string[]> {
  const rows = await app.sql(
    `SELECT message_id AS message FROM webhook_deliveries WHERE replay_id = $1 AND status = 'pending' AND attempts = 0
      ORDER BY next_retry_at, id`,
    [id],
  )
  return rows.map(({ message }) => String(message))
}

/** What waits comes to its end. */
const settle = () =>
  app.sql(`UPDATE webhook_deliveries SET status = 'exhausted', next_retry_at = NULL, finished_at = now()
            WHERE next_retry_at IS NOT NULL`)

const messagesOf = (deliveries: readonly PlantedDelivery[]): string[] => deliveries.map(({ messageId }) => messageId)

describe('a replay', () => {
  it('makes each message of its window due once more, the oldest first, and nothing else', async () => {
    await plantDeliveries(app, webhook, { createdAt: new Date(Date.now() - 3 * HOUR_MS) })
    const meant = await plantDeliveries(app, webhook, { count: 3, createdAt: AN_HOUR_AGO })
    const other = await plantWebhook(app, owner)
    await plantDeliveries(app, other, { createdAt: AN_HOUR_AGO })
    const { id, ...facts } = await replay()
    expect(facts).toEqual({
      webhookId: webhook.webhookId,
      since: SINCE,
      until: facts.createdAt,
      status: null,
      replayed: 3,
      state: 'finished',
      createdAt: expect.any(String),
      finishedAt: expect.any(String),
    })
    expect(await madeBy(id)).toEqual(messagesOf(meant))
    expect(await app.sql('SELECT 1 FROM webhook_deliveries WHERE webhook_id = $1', [other.webhookId])).toHaveLength(1)
    const { data } = (
      await owner.request({ url: `/v1/webhooks/${webhook.webhookId}/deliveries?status=pending` })
    ).json()
    expect(data.map(({ replayId }: { replayId: string }) => replayId)).toEqual([id, id, id])
  })

  it('is answered with 202 before it is done, at its address, and is in the audit log', async () => {
    const answer = await ask({ since: SINCE, status: 'exhausted' })
    const { id, ...started } = webhookReplaySchema.parse(answer.json())
    expect([answer.statusCode, answer.headers.location]).toEqual([
      202,
      `/v1/webhooks/${webhook.webhookId}/replays/${id}`,
    ])
    expect(started).toMatchObject({ status: 'exhausted', replayed: 0, state: 'running', finishedAt: null })
    const [entry] = await listAudit(owner, '?action=webhook_replayed')
    expect(entry).toMatchObject({
      actor: { type: 'user', id: owner.userId },
      resource: { type: 'webhook', id: webhook.webhookId },
      after: { replayId: id, since: SINCE, status: 'exhausted' },
    })
  })

  it('is of its window to the millisecond: its begin included, its end not', async () => {
    const planted = await plantDeliveries(app, webhook, { count: 4, createdAt: AN_HOUR_AGO })
    const [since, until] = [planted[1], planted[3]].map((one) => one?.createdAt.toISOString())
    const { id } = await replay({ since, until })
    expect(await madeBy(id)).toEqual(messagesOf(planted.slice(1, 3)))
  })

  it('is of one status where that is asked for', async () => {
    await plantDeliveries(app, webhook, { createdAt: AN_HOUR_AGO })
    const failed = await plantDeliveries(app, webhook, { count: 2, status: 'exhausted', createdAt: new Date(SINCE) })
    const { id } = await replay({ since: SINCE, status: 'exhausted' })
    expect(await madeBy(id)).toEqual(messagesOf(failed))
  })

  it('tells a message once that its window has several deliveries of', async () => {
    const planted = await plantDeliveries(app, webhook, { count: 3, createdAt: AN_HOUR_AGO })
    const first = await replay()
    await settle()
    const second = await replay()
    expect([first.replayed, second.replayed]).toEqual([3, 3])
    expect(await madeBy(second.id)).toEqual(messagesOf(planted))
  })

  it('does not tell again what still waits to be told', async () => {
    const planted = await plantDeliveries(app, webhook, { count: 3, createdAt: AN_HOUR_AGO })
    const first = await replay()
    expect([await count({ since: SINCE }), (await replay()).replayed]).toEqual([0, 0])
    expect(await madeBy(first.id)).toEqual(messagesOf(planted))
  })

  it('ends now where it would end later, or does not say', async () => {
    const { until, createdAt } = await replay({ since: SINCE, until: '2999-01-01T00:00:00Z' })
    expect(until).toBe(createdAt)
  })

  it('finds nothing in a time before all times', async () => {
    expect(await replay({ since: '0000-01-01T00:00:00Z', until: '1990-01-01T00:00:00Z' })).toMatchObject({
      replayed: 0,
    })
  })

  it('happens once, however often it is asked for with one key', async () => {
    await plantDeliveries(app, webhook, { createdAt: AN_HOUR_AGO })
    const headers = { 'idempotency-key': newId() }
    const answers = [await ask({ since: SINCE }, { headers }), await ask({ since: SINCE }, { headers })]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202])
    expect(answers[1]?.json()).toEqual(answers[0]?.json())
    expect(await app.sql('SELECT 1 FROM webhook_replays WHERE webhook_id = $1', [webhook.webhookId])).toHaveLength(1)
  })

  it.each([
    [{}, '/since'],
    [{ since: 'yesterday' }, '/since'],
    [{ since: 1_763_000_000 }, '/since'],
    [{ since: '2999-01-01T00:00:00Z' }, '/since'],
    [{ since: SINCE, until: SINCE }, '/until'],
    [{ since: SINCE, until: '2020-01-01T00:00:00Z' }, '/until'],
    [{ since: null }, '/since'],
    [{ since: SINCE, status: 'failed' }, '/status'],
    [{ since: SINCE, dryRun: 'yes' }, '/dryRun'],
    [{ since: SINCE, limit: 5 }, '/limit'],
  ])('is refused for %j', async (payload, pointer) => {
    expectProblem(await ask(payload), { status: 400, code: 'validation_failed', pointers: [pointer] })
  })

  it("is refused for a webhook that is deleted, is another tenant's, or never was", async () => {
    const theirs = await plantWebhook(app, await TestUser.register(app))
    await deleteWebhook(app, webhook)
    for (const webhookId of [webhook.webhookId, theirs.webhookId, newId(), 'x']) {
      for (const dryRun of [true, false]) {
        const answer = await ask({ since: SINCE, dryRun }, { webhookId })
        expect(expectProblem(answer, { status: 404, code: 'not_found' }).detail).toBe('There is no such webhook.')
      }
    }
  })

  it('is refused for a webhook that is switched off, but for its count', async () => {
    webhook = await plantWebhook(app, owner, { isActive: false })
    await plantDeliveries(app, webhook, { count: 2, createdAt: AN_HOUR_AGO })
    expectProblem(await ask({ since: SINCE }), { status: 409, code: 'webhook_inactive' })
    expect(await count({ since: SINCE })).toBe(2)
  })
})

describe('a dry run', () => {
  it.each([undefined, 'delivered', 'exhausted', 'retrying'])(
    'counts what is replayed then, and writes nothing: %s',
    async (status) => {
      await plantDeliveries(app, webhook, { count: 5, createdAt: AN_HOUR_AGO })
      await plantDeliveries(app, webhook, { count: 3, status: 'exhausted', createdAt: new Date(SINCE) })
      await replay({ since: SINCE, until: AN_HOUR_AGO.toISOString() })
      await settle()
      const window = { since: SINCE, ...(status !== undefined && { status }) }
      const before = await app.sql('SELECT * FROM webhook_deliveries ORDER BY id')
      const counted = await count(window)
      expect(await app.sql('SELECT * FROM webhook_deliveries ORDER BY id')).toEqual(before)
      expect(await listReplays()).toHaveLength(1)
      expect((await replay(window)).replayed).toBe(counted)
      expect(counted).toBe({ delivered: 5, exhausted: 3, retrying: 0 }[status ?? ''] ?? 8)
    },
  )
})

it('a dry run may have a key, and is answered again as it was', async () => {
  await plantDeliveries(app, webhook, { count: 2, createdAt: AN_HOUR_AGO })
  const headers = { 'idempotency-key': newId() }
  const first = await ask({ since: SINCE, dryRun: true }, { headers })
  await plantDeliveries(app, webhook, { createdAt: AN_HOUR_AGO })
  const second = await ask({ since: SINCE, dryRun: true }, { headers })
  expect([first.statusCode, second.statusCode]).toEqual([200, 200])
  expect([first.json(), second.json()]).toEqual([{ count: 2 }, { count: 2 }])
})

async function listReplays(query = ''): Promise<WebhookReplay[]> {
  const answer = await owner.request({ url: `/v1/webhooks/${webhook.webhookId}/replays${query}` })
  expect(answer.statusCode).toBe(200)
  return replayPageSchema.parse(answer.json()).data
}

describe('replays of a webhook', () => {
  it('are listed newest first, a page at a time', async () => {
    const ids: string[] = []
    for (let made = 0; made < 3; made += 1) ids.push((await replay()).id)
    expect((await listReplays()).map(({ id }) => id)).toEqual(ids.toReversed())
    const url = `/v1/webhooks/${webhook.webhookId}/replays?limit=2`
    const first = await owner.request({ url })
    expect(first.headers.link).toContain('rel="next"')
    const second = await listReplays(`?limit=2&cursor=${first.json().nextCursor}`)
    expect([...first.json().data, ...second].map(({ id }: WebhookReplay) => id)).toEqual(ids.toReversed())
  })

  it('refuse what is no query of theirs', async () => {
    const answer = await owner.request({ url: `/v1/webhooks/${webhook.webhookId}/replays?status=running&cursor=x` })
    expectProblem(answer, { status: 400, code: 'validation_failed', pointers: ['/status'] })
  })

  it('are not there for others, nor under another webhook', async () => {
    const { id } = await replay()
    const other = await plantWebhook(app, owner)
    const stranger = await TestUser.register(app)
    const paths = [`${other.webhookId}/replays/${id}`, `${webhook.webhookId}/replays/${newId()}`, `${newId()}/replays`]
    for (const path of paths) {
      expectProblem(await owner.request({ url: `/v1/webhooks/${path}` }), { status: 404, code: 'not_found' })
    }
    for (const path of [`${webhook.webhookId}/replays/${id}`, `${webhook.webhookId}/replays`]) {
      expectProblem(await stranger.request({ url: `/v1/webhooks/${path}` }), { status: 404, code: 'not_found' })
    }
  })
})
