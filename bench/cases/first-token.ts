/**
 * How long what a model says takes through us: from the simulator's write of its first token to the client's receipt of the
 * first `output.delta`, of runs that are streamed by `POST /v1/agents/developer/run`. Simulator and client share this
 * process, and so a clock.
 */
import { ModelSimulator } from '../../test/support/model-simulator.ts'
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { releasable } from '../support/cleanup.ts'
import { readEvents } from '../support/run-stream.ts'
import { simulatorEnvironment } from '../support/simulator.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const WARM_UP_RUNS = 20
/** The model thinks, then speaks: nothing else is under way when the first token comes. */
const LATENCY_MS = 40
const TOKENS_PER_SECOND = 100
const REPLY = 'The first token is what somebody waits for.'
const MAX_FIRST_TOKEN_MS = 8

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  const simulator = await ModelSimulator.start({
    latencyMs: LATENCY_MS,
    tokensPerSecond: TOKENS_PER_SECOND,
    reply: REPLY,
    recordLimit: 1,
  })
  await using _ = releasable(simulator, () => simulator.stop())
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: simulatorEnvironment(simulator),
  })
  const client = await registerClient(app.baseUrl)
  const firstTokenMs: number[] = []
  for (let index = -WARM_UP_RUNS; index < options.runs; index++) {
    const receivedAt = await firstDeltaAt(`${app.baseUrl}/v1/agents/developer/run`, client.headers, `Task ${index}.`)
    const sentAt = simulator.requests[0]?.firstTokenAt
    if (typeof sentAt !== 'number') throw new Error('the simulator has sent no token')
    if (index >= 0) firstTokenMs.push(receivedAt - sentAt)
  }
  const medianMs = median(firstTokenMs)
  return {
    table: [
      {
        path: 'first token, model to client',
        'median ms': medianMs.toFixed(2),
        'p99 ms': percentile(firstTokenMs, 99).toFixed(2),
      },
    ],
    checks: [
      {
        what: 'first token, median',
        value: `${medianMs.toFixed(1)} ms`,
        target: `≤ ${MAX_FIRST_TOKEN_MS} ms`,
        met: medianMs <= MAX_FIRST_TOKEN_MS,
      },
    ],
    notes: [`${options.runs} streamed runs, one at a time; the model begins after ${LATENCY_MS} ms`],
    errors: 0,
    measurements: { firstTokenMs },
  }
}

/** Reads the stream to its end: the next run must not find this one still under way. */
async function firstDeltaAt(url: string, headers: Record<string, string>, task: string): Promise<number> {
  let first: number | undefined
  let last = ''
  const events = readEvents(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ task }),
  })
  for await (const { type, receivedAt } of events) {
    if (type === 'output.delta') first ??= receivedAt
    last = type
  }
  if (first === undefined || last !== 'run.completed') throw new Error(`the stream ended with ${last}`)
  return first
}
