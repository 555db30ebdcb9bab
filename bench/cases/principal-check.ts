/**
 * What it costs to know who asks, warm: an authenticated `GET /v1/agents/developer`, answered from memory, against the same
 * server's public `GET /health/liveness`; one request at a time, in turn, without and with Redis. The difference also
 * holds the rate limit and the larger body: it is an upper bound of the principal check.
 */
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase, BenchContext } from '../support/bench-case.ts'
import { alternateLoad, summarise } from '../support/load.ts'
import { startRedis } from '../support/redis.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const MAX_ADDED_MS = 0.3

export const run: BenchCase = async (context) => {
  await using redis = await startRedis()
  const alone = await measure(context, {})
  const shared = await measure(context, { REDIS_URL: redis.url })
  const variants = [
    { name: 'without Redis', ...alone },
    { name: 'with Redis', ...shared },
  ]
  return {
    table: variants.flatMap(({ name, open, guarded }) => [
      { path: `public, ${name}`, 'p50 ms': open.p50Ms.toFixed(3), 'p99 ms': open.p99Ms.toFixed(2) },
      { path: `authenticated, ${name}`, 'p50 ms': guarded.p50Ms.toFixed(3), 'p99 ms': guarded.p99Ms.toFixed(2) },
    ]),
    checks: variants.map(({ name, addedMs }) => ({
      what: `p50 that the principal check adds, ${name}`,
      value: `${addedMs.toFixed(3)} ms`,
      target: `≤ ${MAX_ADDED_MS} ms`,
      met: addedMs <= MAX_ADDED_MS,
    })),
    notes: ['one connection; the difference includes the rate limit and a larger body'],
    errors: variants.reduce((sum, { open, guarded }) => sum + open.errors + guarded.errors, 0),
    measurements: variants,
  }
}

async function measure({ options, postgres }: BenchContext, env: Record<string, string>) {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url, env })
  const { headers } = await registerClient(app.baseUrl)
  const targets = [
    { name: 'public', baseUrl: app.baseUrl, paths: ['/health/liveness'], headers: {} },
    { name: 'authenticated', baseUrl: app.baseUrl, paths: ['/v1/agents/developer'], headers },
  ]
  const [open = [], guarded = []] = await alternateLoad(targets, { ...options, connections: 1 })
  const addedMs = median(guarded.map((round, index) => round.p50Ms - (open[index]?.p50Ms ?? Number.NaN)))
  return { open: summarise(open), guarded: summarise(guarded), addedMs }
}
