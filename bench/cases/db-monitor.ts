/**
 * What it costs to watch the database: CPU time of our app's process for one operation, in blocks by turns with the monitor and
 * without it, in one process over the same connections. Load and latency would not show a percent; CPU time of many pairs does.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { appEnvironment } from '../support/app-environment.ts'
import type { BenchCase, BenchContext } from '../support/bench-case.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const MEASURER = fileURLToPath(new URL('../support/db-monitor-process.ts', import.meta.url))
const PAIRS_PER_ROUND = 200
const MAX_OVERHEAD = 0.01
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024
/** What a request like it sends, and the request. */
const STATEMENT_WAY = 'one statement, one message'
const REQUEST_WAY = 'GET /v1/runs/{id}'

interface Taken {
  readonly on: number[]
  readonly off: number[]
}
type Measured = Record<string, Taken>

export const run: BenchCase = async (context) => {
  const pairs = context.options.rounds * PAIRS_PER_ROUND
  const variants = [
    { name: 'production', ways: await measure(context, pairs, 'production') },
    { name: 'development, N+1 counted', ways: await measure(context, pairs, 'development') },
  ]
  const { [STATEMENT_WAY]: statement, [REQUEST_WAY]: request } = variants[0]!.ways
  // A request is too long to show a microsecond more of it; the statement that it sends is not.
  const overhead = costOf(statement!).median / median(request!.off)
  return {
    table: variants.flatMap(({ name, ways }) =>
      Object.entries(ways).map(([way, taken]) => toRow(`${way}, ${name}`, taken)),
    ),
    checks: [
      {
        what: `CPU of the monitor for the one statement of ${REQUEST_WAY}, of the CPU of that request`,
        value: `${(overhead * 100).toFixed(2)} %`,
        target: `≤ ${MAX_OVERHEAD * 100} %`,
        met: overhead <= MAX_OVERHEAD,
      },
    ],
    notes: [
      `median of ${pairs} pairs of blocks of 128 operations, 16 at once; in brackets the 95 % interval of that median`,
    ],
    errors: 0,
    measurements: variants,
  }
}

function toRow(name: string, taken: Taken): Record<string, string> {
  const { median: middle, low, high } = costOf(taken)
  return {
    operation: name,
    'µs off': median(taken.off).toFixed(1),
    'µs on': median(taken.on).toFixed(1),
    'monitor µs': `${middle.toFixed(2)} (${low.toFixed(2)} … ${high.toFixed(2)})`,
    '%': ((middle / median(taken.off)) * 100).toFixed(1),
  }
}

/** Block against its neighbour in time. The interval is by order statistics: the ranks a root of n to either side of the middle. */
function costOf({ on, off }: Taken): { median: number; low: number; high: number } {
  const differences = on.map((micros, index) => micros - off[index]!)
  const spread = 98 / Math.sqrt(differences.length)
  return {
    median: median(differences),
    low: percentile(differences, 50 - spread),
    high: percentile(differences, 50 + spread),
  }
}

async function measure({ postgres }: BenchContext, pairs: number, environment: string): Promise<Measured> {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  const { PATH = '', HOME = '' } = process.env
  const secrets = { JWT_SECRET: 'a secret for the bench that has more than 32 characters' }
  // Its output is the figures alone, and a machine that stands still for a while makes statements slow.
  const quiet = { ...appEnvironment, ...secrets, LOG_LEVEL: 'error' }
  const settings = { ...quiet, DATA_DIR: directory.path, DATABASE_URL: database.url }
  const { stdout } = await promisify(execFile)(process.execPath, [MEASURER, String(pairs)], {
    env: { PATH, HOME, NODE_ENV: environment, ...settings },
    maxBuffer: MAX_OUTPUT_BYTES,
  })
  return JSON.parse(stdout) as Measured
}
