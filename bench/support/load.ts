import autocannon, { type Request } from 'autocannon'
import { median, percentile } from './stats.ts'

const DEFAULT_CONNECTIONS = 16
const WARM_UP_SECONDS = 2

export interface LoadTarget {
  readonly name: string
  readonly baseUrl: string
  /** Requested in turn. */
  readonly paths: readonly string[]
  readonly headers: Record<string, string>
  /** Makes the requests POSTs, each with a body of its own. */
  readonly body?: () => object
}

export interface Round {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx, timeouts and lost connections. */
  readonly errors: number
}

/**
 * Puts the targets under the same load in turn, A B C A B C …, so that what else the machine does hits all of them;
 * each gets a warm-up first. Returns the rounds of each target, in the order of `targets`.
 */
export async function alternateLoad(
  targets: readonly LoadTarget[],
  { rounds, seconds, connections }: { rounds: number; seconds: number; connections?: number },
): Promise<Round[][]> {
  for (const target of targets) await run(target, { duration: Math.min(WARM_UP_SECONDS, seconds) }, connections)
  const results = targets.map((): Round[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, target] of targets.entries())
      results[index]!.push(await run(target, { duration: seconds }, connections))
  }
  return results
}

/** Sends `count` requests. */
export async function loadTimes(target: LoadTarget, count: number): Promise<Round> {
  return run(target, { amount: count })
}

/** One round that stands for all: the median of each figure, and every error. */
export function summarise(rounds: readonly Round[]): Round {
  return {
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
  }
}

async function run(
  target: LoadTarget,
  extent: { duration: number } | { amount: number },
  connections = DEFAULT_CONNECTIONS,
): Promise<Round> {
  const instance = autocannon({
    url: target.baseUrl,
    connections,
    headers: target.headers,
    requests: target.paths.map((path) => requestOf(path, target.body)),
    ...extent,
  })
  // autocannon's own histogram holds whole milliseconds, too coarse where an answer takes two.
  const latenciesMs: number[] = []
  instance.on('response', (_client, _status, _bytes, ms) => latenciesMs.push(ms))
  const result = await instance
  return {
    requestsPerSecond: result['2xx'] / result.duration,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
    errors: result.non2xx + result.errors,
  }
}

function requestOf(path: string, body: LoadTarget['body']): Request {
  if (!body) return { path }
  return {
    method: 'POST',
    path,
    setupRequest: (request) => ({
      ...request,
      headers: { ...request.headers, 'content-type': 'application/json' },
      body: JSON.stringify(body()),
    }),
  }
}
