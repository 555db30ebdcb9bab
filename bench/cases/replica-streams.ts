/**
 * Two replicas on one PostgreSQL and one Redis: clients read a run's events from the first, drop in the middle, resume by
 * `Last-Event-ID` on the second, drop again and go back. What they have read must be the whole story, each number once.
 */
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { startRedis } from '../support/redis.ts'
import { readEvents, type StreamedEvent } from '../support/run-stream.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const RUNS = 50
const AT_ONCE = 5
const WORDS = 120
const TOKENS_PER_SECOND = 150
/** Deltas that are read before each drop; where that is differs from run to run. */
const MIN_READ = 10
const REPLY = Array.from({ length: WORDS }, (_, index) => `word-${index}`).join(' ')

interface Reading {
  readonly events: StreamedEvent[]
  /** From asking another replica to its first event. */
  readonly resumedMs: number[]
}

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using redis = await startRedis()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 50, tokensPerSecond: TOKENS_PER_SECOND, reply: REPLY })
  const settings = {
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: { ...simulatorEnvironment(simulator), REDIS_URL: redis.url },
  }
  await using first = await startApp(settings)
  await using second = await startApp(settings)
  const { headers } = await registerClient(first.baseUrl)
  const replicas = [first.baseUrl, second.baseUrl]

  const failures: string[] = []
  const resumedMs: number[] = []
  let next = 0
  const readOnAndOn = async (): Promise<void> => {
    while (next < RUNS) {
      const index = next++
      try {
        const id = await startRun(first.baseUrl, headers, `Count, for the ${index}th time.`)
        const reading = await readOver(replicas, headers, id, MIN_READ + (index % MIN_READ))
        resumedMs.push(...reading.resumedMs)
        const fault = await findFault(first.baseUrl, headers, id, reading.events)
        if (fault !== null) failures.push(`run ${id}: ${fault}`)
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, readOnAndOn))

  return {
    table: [
      {
        runs: RUNS,
        'read whole': RUNS - failures.length,
        'resumed, median ms': median(resumedMs).toFixed(1),
        'resumed, p99 ms': percentile(resumedMs, 99).toFixed(1),
      },
    ],
    checks: [
      {
        what: 'runs read over two replicas without loss or repeat',
        value: `${RUNS - failures.length} of ${RUNS}`,
        target: 'all',
        met: failures.length === 0,
      },
    ],
    notes: [`${AT_ONCE} at a time, each dropped twice; resumed: from asking to the first event`, ...new Set(failures)],
    errors: failures.length,
    measurements: { resumedMs },
  }
}

async function startRun(baseUrl: string, headers: Record<string, string>, task: string): Promise<string> {
  const response = await fetch(`${baseUrl}/v1/agents/developer/run`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ task }),
  })
  if (response.status !== 202) throw new Error(`POST run: ${response.status} ${await response.text()}`)
  const { id } = (await response.json()) as { id: string }
  return id
}

/** First replica, second, and the first again to the end. */
async function readOver(
  [first = '', second = '']: readonly string[],
  headers: Record<string, string>,
  id: string,
  deltas: number,
): Promise<Reading> {
  const reading: Reading = { events: [], resumedMs: [] }
  for (const [baseUrl, limit] of [
    [first, deltas],
    [second, deltas],
    [first, Infinity],
  ] as const) {
    const last = reading.events.at(-1)?.sequence
    const resume = last === undefined ? {} : { 'last-event-id': String(last) }
    const askedAt = performance.timeOrigin + performance.now()
    let read = 0
    for await (const event of readEvents(`${baseUrl}/v1/runs/${id}/events`, { headers: { ...headers, ...resume } })) {
      if (last !== undefined && event.sequence === last + 1) reading.resumedMs.push(event.receivedAt - askedAt)
      reading.events.push(event)
      if (event.type === 'output.delta' && ++read >= limit) break
    }
  }
  return reading
}

/** Null: each number came once and in its order, and the texts are the answer. */
async function findFault(
  baseUrl: string,
  headers: Record<string, string>,
  id: string,
  events: readonly StreamedEvent[],
): Promise<string | null> {
  const gap = events.findIndex(({ sequence }, index) => sequence !== index + 1)
  if (gap !== -1) return `event ${events[gap]!.sequence} came in place of ${gap + 1}`
  if (events.at(-1)?.type !== 'run.completed') return `it ended with ${events.at(-1)?.type}`
  const response = await fetch(`${baseUrl}/v1/runs/${id}`, { headers })
  const { output } = (await response.json()) as { output: { text: string } }
  const said = events.map(({ type, data }) => (type === 'output.delta' ? (data as { text: string }).text : '')).join('')
  return said === output.text ? null : `the texts joined are not the answer: ${said}`
}
