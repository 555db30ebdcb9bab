/**
 * From commit to the first attempt: an event, nothing else to do, and when the receiver has it. The commit lies between the moment that
 * the message tells and the moment that the request which made the event is answered.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { withClient } from '../support/postgres.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'
import { webhookEnvironment, registerOwner, type WebhookOwner } from '../support/webhooks.ts'

const WARM_UP_EVENTS = 40
const PAUSE_MS = 25
const LIMIT_MS = 30_000
const MAX_P50_MS = 20
const MAX_P99_MS = 200

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
  await owner.addEndpoint({ url: `${receiver.baseUrl}/hooks/0`, events: ['*'] })

  await makeEvents(owner, WARM_UP_EVENTS)
  await receiver.whenArrived(WARM_UP_EVENTS, LIMIT_MS)
  await database.analyze()
  await receiver.reset()
  const answeredAt = await makeEvents(owner, options.runs)
  await receiver.whenArrived(options.runs, LIMIT_MS)

  const told = await withClient(database.url, (sql) =>
    sql.query<{ id: string; event: string; at: number }>(
      `SELECT id, type || ' ' || (body::jsonb -> 'data' ->> 'apiKeyId') AS event, extract(epoch FROM created_at)::float8 * 1000 AS at
         FROM webhook_messages`,
    ),
  )
  const messages = new Map(told.rows.map((row) => [row.id, row]))
  const arrivals = await receiver.arrivals()
  const sinceToldMs = arrivals.map(({ messageId, at }) => at - messages.get(messageId)!.at)
  const sinceAnswerMs = arrivals.map(({ messageId, at }) => at - answeredAt.get(messages.get(messageId)!.event)!)
  const [p50, p99] = [median(sinceToldMs), percentile(sinceToldMs, 99)]
  return {
    table: [
      describe('since the event, before its commit', sinceToldMs),
      describe('since the answer to who made it, after its commit', sinceAnswerMs),
    ],
    checks: [
      {
        what: 'p50 since the event',
        value: `${p50.toFixed(1)} ms`,
        target: `≤ ${MAX_P50_MS} ms`,
        met: p50 <= MAX_P50_MS,
      },
      {
        what: 'p99 since the event',
        value: `${p99.toFixed(1)} ms`,
        target: `≤ ${MAX_P99_MS} ms`,
        met: p99 <= MAX_P99_MS,
      },
    ],
    notes: [
      `${options.runs} events, one at a time, ${PAUSE_MS} ms apart; the commit lies between the two, and so does the figure that the target means`,
    ],
    errors: arrivals.length - options.runs,
    measurements: { sinceToldMs, sinceAnswerMs },
  }
}

/** @returns when each was answered, by `<type> <key>` */
async function makeEvents(owner: WebhookOwner, count: number): Promise<Map<string, number>> {
  const answeredAt = new Map<string, number>()
  const note = (event: string) => answeredAt.set(event, performance.timeOrigin + performance.now())
  while (answeredAt.size < count) {
    const id = await owner.addKey()
    note(`apiKey.created ${id}`)
    await delay(PAUSE_MS)
    await owner.deleteKey(id)
    note(`apiKey.deleted ${id}`)
    await delay(PAUSE_MS)
  }
  return answeredAt
}

function describe(what: string, ms: readonly number[]) {
  const [p50, p99, max] = [median(ms), percentile(ms, 99), Math.max(...ms)].map((value) => value.toFixed(1))
  return { 'ms until it has arrived': what, p50: p50!, p99: p99!, max: max! }
}
