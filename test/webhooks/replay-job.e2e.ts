import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { DeliveryBell } from '../../src/modules/webhooks/deliveries/delivery-bell.service.js'
import { ReplayBatchesRepository } from '../../src/modules/webhooks/replays/replay-batches.repository.js'
import { DELIVERIES_PER_BATCH, ReplayJob } from '../../src/modules/webhooks/replays/replay.job.js'
import type { WebhookReplay } from '../../src/modules/webhooks/replays/replays.schemas.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'
import { deleteWebhook, plantDeliveries, plantWebhook, type WebhookKey } from '../support/webhook-rows.js'

const MANY = 5000
const SINCE = new Date(Date.now() - 7_200_000)
const ADVISORY_LOCK = 4711

let app: TestApp
let replica: TestApp
let owner: TestUser
let webhook: WebhookKey

beforeAll(async () => {
  app = await TestApp.start()
  replica = await TestApp.start({ database: app.database })
  // Their jobs' own passes: what is made here, a test has made.
  for (const { nest } of [app, replica]) await nest.get(ReplayJob).beforeApplicationShutdown()
})
beforeEach(async () => {
  owner = await TestUser.register(app)
  webhook = await plantWebhook(app, owner)
})
afterAll(async () => {
  await replica[Symbol.asyncDispose]()
  await app[Symbol.asyncDispose]()
})

/** As it is in a process that starts. */
async function newJob({ nest }: TestApp): Promise<ReplayJob> {
  const [database, batches, bell] = [nest.get(Database), nest.get(ReplayBatchesRepository), nest.get(DeliveryBell)]
  const [clock, config] = [nest.get(Clock), nest.get(AppConfig)]
  return new ReplayJob(database, batches, bell, clock, await nest.resolve(PinoLogger), config)
}

const ask = ({ webhookId }: WebhookKey, of = owner) =>
  of.request({ method: 'POST', url: `/v1/webhooks/${webhookId}/replay`, payload: { since: SINCE.toISOString() } })

async function start(key = webhook, of = owner): Promise<string> {
  const answer = await ask(key, of)
  expect(answer.statusCode).toBe(202)
  return answer.json().id
}

async function get(id: string): Promise<WebhookReplay> {
  return (await owner.request({ url: `/v1/webhooks/${webhook.webhookId}/replays/${id}` })).json()
}

/** Messages that the replay has made due, in the order in which they will be sent. */
async function madeBy(id: string): Promise<string[]> {
  const rows = await app.sql(
    'SELECT message_id AS message FROM webhook_deliveries WHERE replay_id = $1 ORDER BY next_retry_at, id',
    [id],
  )
  return rows.map(({ message }) => String(message))
}

/** Makes an insert of a delivery of this message wait for a lock that the test holds, or fail. */
async function trap(messageId: string, statement: string): Promise<AsyncDisposable> {
  await app.sql(
    `CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NEW.message_id = '${messageId}' THEN ${statement}; END IF; RETURN NEW; END $$`,
  )
  await app.sql('CREATE TRIGGER trap BEFORE INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION trap()')
  return { [Symbol.asyncDispose]: async () => void (await app.sql('DROP FUNCTION trap() CASCADE')) }
}

describe('replays that go on', () => {
  it(`make each of ${MANY} messages due once and in order, on two replicas, one of which stops in between`, async () => {
    const planted = await plantDeliveries(app, webhook, { count: MANY, createdAt: SINCE })
    const expected = planted.map(({ messageId }) => messageId)
    const id = await start()
    const [stopping, going] = [await newJob(app), await newJob(replica)]
    {
      // In its fourth batch whoever is at it is held up, and then it is to stop.
      await using _trap = await trap(
        expected[3 * DELIVERIES_PER_BATCH + 7]!,
        `PERFORM pg_advisory_xact_lock(${ADVISORY_LOCK})`,
      )
      await withClient(app.database.url, async (client) => {
        await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK])
        const working = stopping.work()
        await whenWaitingForAdvisoryLock()
        // The other one finds it in good hands.
        await going.work()
        const stopped = stopping.beforeApplicationShutdown()
        await client.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK])
        await Promise.all([working, stopped])
      })
    }
    expect(await get(id)).toMatchObject({ state: 'running', replayed: 4 * DELIVERIES_PER_BATCH })
    expect(await madeBy(id)).toEqual(expected.slice(0, 4 * DELIVERIES_PER_BATCH))
    await Promise.all([going.work(), (await newJob(app)).work()])
    expect(await get(id)).toMatchObject({ state: 'finished', replayed: MANY })
    expect(await madeBy(id)).toEqual(expected)
  })

  it('lose and double nothing when a batch is cut off, and do not hold up others', async () => {
    const planted = await plantDeliveries(app, webhook, { count: 2 * DELIVERIES_PER_BATCH, createdAt: SINCE })
    const expected = planted.map(({ messageId }) => messageId)
    const other = await TestUser.register(app)
    const theirs = await plantWebhook(app, other)
    await plantDeliveries(app, theirs, { count: 3, createdAt: SINCE })
    const [stuck, next] = [await start(), await start(theirs, other)]
    const job = await newJob(app)
    {
      await using _trap = await trap(expected[DELIVERIES_PER_BATCH + 100]!, `RAISE 'the connection is gone'`)
      await job.work()
    }
    expect(await madeBy(stuck)).toEqual(expected.slice(0, DELIVERIES_PER_BATCH))
    expect(await get(stuck)).toMatchObject({ state: 'running', replayed: DELIVERIES_PER_BATCH })
    expect(await madeBy(next)).toHaveLength(3)
    await job.work()
    expect(await madeBy(stuck)).toEqual(expected)
    expect(await get(stuck)).toMatchObject({ state: 'finished', replayed: expected.length })
  })

  it('tell a message once whose other deliveries come to match while it works', async () => {
    const planted = await plantDeliveries(app, webhook, { count: DELIVERIES_PER_BATCH, createdAt: SINCE })
    // Another delivery of the first message, in the second batch.
    await app.sql(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, message_id, event_type, status, created_at, finished_at)
       SELECT $1, uuid_at($3), $2, $4, 'run.completed', 'delivered', $3, now()`,
      [webhook.tenantId, webhook.webhookId, new Date(SINCE.getTime() + MANY), planted[0]?.messageId],
    )
    const id = await start()
    await (await newJob(app)).work()
    expect(await madeBy(id)).toEqual(planted.map(({ messageId }) => messageId))
    expect((await get(id)).replayed).toBe(DELIVERIES_PER_BATCH)
  })

  it('end when their webhook is deleted', async () => {
    await plantDeliveries(app, webhook, { count: 3, createdAt: SINCE })
    const id = await start()
    await deleteWebhook(app, webhook)
    await (await newJob(app)).work()
    expect(await madeBy(id)).toEqual([])
    const [row] = await app.sql('SELECT finished_at FROM webhook_replays WHERE id = $1', [id])
    expect(row?.['finished_at']).toBeInstanceOf(Date)
  })

  it('ring the bell of their tenant with each batch', async () => {
    await plantDeliveries(app, webhook, { count: DELIVERIES_PER_BATCH + 1, createdAt: SINCE })
    await start()
    const rung: string[] = []
    await withClient(app.database.url, async (client) => {
      client.on('notification', ({ payload }) => rung.push(String(payload)))
      await client.query('LISTEN webhook_deliveries')
      await (await newJob(app)).work()
      // What was sent before this answer has come before it.
      await client.query('SELECT 1')
    })
    expect(rung).toEqual([webhook.tenantId, webhook.tenantId])
  })

  it('are one at a time of a webhook, however many are asked for at once', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(webhook)))
    const [started, ...refused] = answers.sort((a, b) => a.statusCode - b.statusCode)
    expect(started?.statusCode).toBe(202)
    for (const answer of refused) expectProblem(answer, { status: 409, code: 'replay_in_progress' })
    // Another webhook is not in the way, and neither is one that is finished.
    await start(await plantWebhook(app, owner))
    await (await newJob(app)).work()
    await start()
  })

  it('take those along when they end that are older than what is kept', async () => {
    const ids = [await start()]
    await (await newJob(app)).work()
    await app.sql(`UPDATE webhook_replays SET finished_at = now() - interval '91 days' WHERE id = $1`, ids)
    ids.push(await start())
    expect(await app.sql('SELECT 1 FROM webhook_replays WHERE id = ANY ($1::uuid[])', [ids])).toHaveLength(2)
    await (await newJob(app)).work()
    const left = await app.sql('SELECT id FROM webhook_replays WHERE id = ANY ($1::uuid[])', [ids])
    expect(left).toEqual([{ id: ids[1] }])
  })
})

async function whenWaitingForAdvisoryLock(): Promise<void> {
  for (;;) {
    const waiting = await app.sql(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`, [
      ADVISORY_LOCK,
    ])
    if (waiting.length > 0) return
  }
}
