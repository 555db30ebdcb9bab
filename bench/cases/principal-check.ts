/**
 * What it costs to know who asks, warm: the authentication guard of our app, asked in its own process with one access token,
 * without and with Redis. With Redis a check waits for one MGET on the same machine.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { appEnvironment } from '../support/app-environment.ts'
import type { BenchCase, BenchContext } from '../support/bench-case.ts'
import { startRedis } from '../support/redis.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const CHECKER = fileURLToPath(new URL('../support/principal-check-process.ts', import.meta.url))
const CHECKS = 10_000
const MAX_MS = 0.3
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

export const run: BenchCase = async (context) => {
  await using redis = await startRedis()
  const variants = [
    { name: 'without Redis', ms: await check(context, {}) },
    { name: 'with Redis', ms: await check(context, { REDIS_URL: redis.url }) },
  ]
  return {
    table: variants.map(({ name, ms }) => ({
      check: name,
      'p50 ms': median(ms).toFixed(4),
      'p99 ms': percentile(ms, 99).toFixed(3),
    })),
    checks: variants.map(({ name, ms }) => ({
      what: `p50 of the principal check, ${name}`,
      value: `${median(ms).toFixed(4)} ms`,
      target: `≤ ${MAX_MS} ms`,
      met: median(ms) <= MAX_MS,
    })),
    notes: [`${CHECKS} checks one after the other, the reload at the end of each lease included`],
    errors: 0,
    measurements: variants,
  }
}

async function check({ postgres }: BenchContext, env: Record<string, string>): Promise<number[]> {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  const { PATH = '', HOME = '' } = process.env
  const settings = { ...appEnvironment, DATA_DIR: directory.path, DATABASE_URL: database.url, ...env }
  const { stdout } = await promisify(execFile)(process.execPath, [CHECKER, String(CHECKS)], {
    env: { PATH, HOME, ...settings },
    maxBuffer: MAX_OUTPUT_BYTES,
  })
  return JSON.parse(stdout) as number[]
}
