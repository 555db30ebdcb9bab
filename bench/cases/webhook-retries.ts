/** Ten thousand deliveries that have failed once and wait, of fifty endpoints: how late after its time each is tried again. */
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { withClient } from '../support/postgres.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'
import { addDeliveries, webhookEnvironment, registerOwner } from '../support/webhooks.ts'

const RETRIES = 10_000
const WARM_UP_RETRIES = 1000
const ENDPOINTS = 50
const DUE_IN_MS = { first: 5000, last: 25_000 }
const LIMIT_MS = 90_000
const MAX_LATE_MS = 1000

export const run: BenchCase = async ({ postgres }) => {
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
  const webhookIds: string[] = []
  for (let index = 0; index < ENDPOINTS; index++) {
    webhookIds.push((await owner.addEndpoint({ url: `${receiver.baseUrl}/hooks/${index}`, events: ['run.failed'] })).id)
  }

  await withClient(database.url, (sql) =>
    addDeliveries(sql, {
      tenantId: owner.tenantId,
      webhookIds,
      count: WARM_UP_RETRIES,
      dueInMs: { first: 0, last: 2000 },
    }),
  )
  await receiver.whenArrived(WARM_UP_RETRIES, LIMIT_MS)
  await receiver.reset()
  const { lateMs, repeated } = await withClient(database.url, async (sql) => {
    await addDeliveries(sql, { tenantId: owner.tenantId, webhookIds, count: RETRIES, dueInMs: DUE_IN_MS })
    // A claim overwrites when a delivery was due.
    const { rows } = await sql.query<{ id: string; dueAt: number }>(
      `SELECT message_id AS id, extract(epoch FROM next_retry_at)::float8 * 1000 AS "dueAt" FROM webhook_deliveries WHERE status = 'retrying'`,
    )
    await database.analyze()
    await receiver.whenArrived(RETRIES, LIMIT_MS)
    const dueAt = new Map(rows.map((row) => [row.id, row.dueAt]))
    const arrivals = await receiver.arrivals()
    return {
      lateMs: arrivals.map(({ messageId, at }) => at - dueAt.get(messageId)!),
      repeated: arrivals.length - RETRIES,
    }
  })
  const latest = Math.max(...lateMs)
  return {
    table: [
      {
        retries: RETRIES,
        'p50 ms late': median(lateMs).toFixed(0),
        'p99 ms late': percentile(lateMs, 99).toFixed(0),
        'latest ms': latest.toFixed(0),
        'earliest ms': Math.min(...lateMs).toFixed(0),
      },
    ],
    checks: [
      { what: 'latest', value: `${latest.toFixed(0)} ms`, target: `≤ ${MAX_LATE_MS} ms`, met: latest <= MAX_LATE_MS },
    ],
    notes: [
      `due evenly over ${(DUE_IN_MS.last - DUE_IN_MS.first) / 1000} s, ${RETRIES / ((DUE_IN_MS.last - DUE_IN_MS.first) / 1000)} a second, over ${ENDPOINTS} endpoints; from due to arrival`,
    ],
    errors: repeated,
    measurements: { lateMs },
  }
}
