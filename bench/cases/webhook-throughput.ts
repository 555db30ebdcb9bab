/**
 * Ten thousand deliveries that wait, on one replica, to one receiver: of one endpoint, and of ten. Beside it an HTTP client that signs
 * and posts the same bodies as many at once, and keeps nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { runBareUndici } from '../support/peers.ts'
import { withClient } from '../support/postgres.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'
import { addDeliveries, webhookEnvironment, registerOwner, type WebhookOwner } from '../support/webhooks.ts'

const DELIVERIES = 10_000
const WARM_UP_DELIVERIES = 1000
const MAX_ROUNDS = 3
/** What the app allows for one endpoint. */
const CONCURRENCY = 32
const LIMIT_MS = 120_000
const POLL_MS = 20
const MIN_PER_SECOND = 800

interface Drain {
  readonly endpoints: number
  readonly webhookIds: string[]
  readonly perSecond: number[]
}

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using receiver = await startWebhookReceiver()
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: webhookEnvironment,
  })
  const owner = await registerOwner(app.baseUrl)
  const drains: Drain[] = [await addDrain(owner, receiver, 1), await addDrain(owner, receiver, 10)]
  const url = `${receiver.baseUrl}/hooks/bare`
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  const bare = (count: number) => runBareUndici({ url, secret, count, concurrency: CONCURRENCY })

  const drain = ({ webhookIds }: Drain, count: number) =>
    withClient(database.url, async (sql) => {
      await receiver.reset()
      await addDeliveries(sql, { tenantId: owner.tenantId, webhookIds, count })
      const startedAt = performance.timeOrigin + performance.now()
      await Promise.all(webhookIds.map((id) => owner.changeEndpoint(id, { active: true })))
      await receiver.whenArrived(count, LIMIT_MS)
      const arrivals = await receiver.arrivals()
      const lastAt = arrivals.reduce((last, { at }) => Math.max(last, at), 0)
      await untilNothingWaits(() =>
        sql.query('SELECT 1 FROM webhook_deliveries WHERE next_retry_at IS NOT NULL LIMIT 1'),
      )
      await Promise.all(webhookIds.map((id) => owner.changeEndpoint(id, { active: false })))
      return { perSecond: (count * 1000) / (lastAt - startedAt), repeated: arrivals.length - count }
    })

  await bare(WARM_UP_DELIVERIES)
  for (const each of drains) await drain(each, WARM_UP_DELIVERIES)
  await database.analyze()
  const barePerSecond: number[] = []
  let repeated = 0
  for (let round = 0; round < Math.min(options.rounds, MAX_ROUNDS); round++) {
    barePerSecond.push(await bare(DELIVERIES))
    for (const each of drains) {
      const drained = await drain(each, DELIVERIES)
      each.perSecond.push(drained.perSecond)
      repeated += drained.repeated
    }
  }
  return {
    table: [
      ...drains.map(({ endpoints, perSecond }) => ({
        what: `TempoNest, ${endpoints} endpoint${endpoints > 1 ? 's' : ''}`,
        'deliveries/s': Math.round(median(perSecond)),
        'of bare': median(perSecond.map((value, round) => value / barePerSecond[round]!)).toFixed(2),
      })),
      { what: 'bare undici', 'deliveries/s': Math.round(median(barePerSecond)), 'of bare': '1' },
    ],
    checks: drains.map(({ endpoints, perSecond }) => ({
      what: `deliveries/s, ${endpoints} endpoint${endpoints > 1 ? 's' : ''}`,
      value: String(Math.round(median(perSecond))),
      target: `≥ ${MIN_PER_SECOND}`,
      met: median(perSecond) >= MIN_PER_SECOND,
    })),
    notes: [
      `${DELIVERIES} deliveries that wait, of a message each, from the switching on of their endpoint to the last arrival; ${barePerSecond.length} rounds, in turn`,
      `bare: ${CONCURRENCY} at once, as many as the app allows one endpoint; it signs and posts, and keeps nothing`,
    ],
    errors: repeated,
    measurements: { drains, barePerSecond },
  }
}

/** Endpoints that are off: what is put down for them waits. */
async function addDrain(owner: WebhookOwner, receiver: WebhookReceiver, endpoints: number): Promise<Drain> {
  const webhookIds: string[] = []
  for (let index = 0; index < endpoints; index++) {
    const url = `${receiver.baseUrl}/hooks/${index}`
    webhookIds.push((await owner.addEndpoint({ url, events: ['run.completed'], active: false })).id)
  }
  return { endpoints, webhookIds, perSecond: [] }
}

/** The outcomes of the last are written after they have arrived. */
async function untilNothingWaits(look: () => Promise<{ rowCount: number | null }>): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while ((await look()).rowCount !== 0) {
    if (Date.now() > deadline) throw new Error('deliveries arrived and are not delivered')
    await delay(POLL_MS)
  }
}
