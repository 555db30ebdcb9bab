/**
 * A hundred endpoints that all are told of the same events, steadily; then two of them fall ill: one refuses connections, one takes
 * requests and never answers. What the others notice of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { findFreePort } from '../support/processes.ts'
import { withClient } from '../support/postgres.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'
import { webhookEnvironment, registerOwner, type WebhookOwner } from '../support/webhooks.ts'

const ENDPOINTS = 100
const HEALTHY = ENDPOINTS - 2
/** 200 deliveries a second. */
const INTERVAL_MS = 500
/** Longer than a request may take: the hanging one fills its places, is given up, and left alone. */
const PHASE_EVENTS = 60
const WARM_UP_EVENTS = 6
const LIMIT_MS = 60_000
const MAX_RATIO = 2

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using receiver = await startWebhookReceiver()
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: { ...webhookEnvironment, WEBHOOK_ENDPOINTS_MAX: String(ENDPOINTS) },
  })
  const owner = await registerOwner(app.baseUrl)
  const urls = Array.from({ length: HEALTHY }, (_, index) => `${receiver.baseUrl}/hooks/${index}`)
  for (const url of urls) await owner.addEndpoint({ url, events: ['*'] })
  // Well for a start, on paths of their own: only the others are measured, before and after.
  const patients: string[] = []
  for (const name of ['dead', 'hanging']) {
    patients.push((await owner.addEndpoint({ url: `${receiver.baseUrl}/spare/${name}`, events: ['*'] })).id)
  }

  const phase = async (events: number) => {
    await receiver.reset()
    await makeEvents(owner, events)
    await receiver.whenArrived(events * HEALTHY, LIMIT_MS)
    return latencies(database.url, receiver)
  }
  await phase(WARM_UP_EVENTS)
  await database.analyze()
  const wellMs = await phase(PHASE_EVENTS)
  await owner.changeEndpoint(patients[0]!, { url: `http://127.0.0.1:${await findFreePort()}/hooks` })
  await owner.changeEndpoint(patients[1]!, { url: `${receiver.baseUrl}/hang/0` })
  const illMs = await phase(PHASE_EVENTS)
  const ratio = percentile(illMs, 99) / percentile(wellMs, 99)
  return {
    table: [describe('all well', wellMs), describe('one dead, one hanging', illMs)],
    checks: [
      {
        what: "healthy endpoints' p99, ill / well",
        value: ratio.toFixed(2),
        target: `≤ ${MAX_RATIO}`,
        met: ratio <= MAX_RATIO,
      },
    ],
    notes: [
      `${PHASE_EVENTS} events ${INTERVAL_MS} ms apart, each to ${ENDPOINTS} endpoints; from the event, before its commit, to its arrival`,
      `of ${HEALTHY} endpoints, the same in both phases`,
    ],
    errors: wellMs.length + illMs.length - 2 * PHASE_EVENTS * HEALTHY,
    measurements: { wellMs, illMs },
  }
}

async function makeEvents(owner: WebhookOwner, count: number): Promise<void> {
  for (let made = 0; made < count; made += 2) {
    const next = delay(INTERVAL_MS)
    const id = await owner.addKey()
    await next
    const afterNext = delay(INTERVAL_MS)
    await owner.deleteKey(id)
    await afterNext
  }
}

async function latencies(databaseUrl: string, receiver: WebhookReceiver): Promise<number[]> {
  const { rows } = await withClient(databaseUrl, (sql) =>
    sql.query<{ id: string; at: number }>(
      'SELECT id, extract(epoch FROM created_at)::float8 * 1000 AS at FROM webhook_messages',
    ),
  )
  const toldAt = new Map(rows.map(({ id, at }) => [id, at]))
  return (await receiver.arrivals()).map(({ messageId, at }) => at - toldAt.get(messageId)!)
}

function describe(what: string, ms: readonly number[]) {
  const [p50, p99, max] = [median(ms), percentile(ms, 99), Math.max(...ms)].map((value) => value.toFixed(1))
  return { 'ms until they have arrived': what, p50: p50!, p99: p99!, max: max! }
}
