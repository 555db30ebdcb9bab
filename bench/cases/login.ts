/**
 * What signing in costs beside its hash: `POST /v1/auth/login` against nothing but argon2 verifying the same password
 * with the same parameters, the same number at once, in turn.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { median, percentile, timed } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const PEER = fileURLToPath(new URL('../peers/bare-argon2.ts', import.meta.url))
const CREDENTIALS = JSON.stringify({ email: 'bench@example.com', password: 'Bench-Password-1' })
/** The defaults of ARGON2_MEMORY_KIB and ARGON2_TIME_COST. */
const MEMORY_KIB = 19_456
const TIME_COST = 2
const CONCURRENCIES = [1, 8]
const PER_ROUND = 80
const MAX_RATIO = 1.5

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url })
  await registerClient(app.baseUrl)
  let errors = 0
  const login = async (): Promise<void> => {
    const response = await fetch(`${app.baseUrl}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: CREDENTIALS,
    })
    await response.text()
    if (response.status !== 200) errors += 1
  }

  const table: Record<string, string>[] = []
  const checks = []
  const measurements: Record<number, { oursP95Ms: number; bareP95Ms: number }[]> = {}
  for (const concurrency of CONCURRENCIES) {
    await times(PER_ROUND / 4, concurrency, login)
    const rounds = []
    for (let round = 0; round < options.rounds; round++) {
      const bareMs = await bareVerifies(concurrency)
      const oursMs = await times(PER_ROUND, concurrency, login)
      rounds.push({ oursP95Ms: percentile(oursMs, 95), bareP95Ms: percentile(bareMs, 95) })
    }
    measurements[concurrency] = rounds
    const ratio = median(rounds.map(({ oursP95Ms, bareP95Ms }) => oursP95Ms / bareP95Ms))
    table.push(
      { path: `login, ${concurrency} at once`, 'p95 ms': median(rounds.map(({ oursP95Ms }) => oursP95Ms)).toFixed(1) },
      {
        path: `argon2.verify, ${concurrency} at once`,
        'p95 ms': median(rounds.map(({ bareP95Ms }) => bareP95Ms)).toFixed(1),
      },
    )
    checks.push({
      what: `p95 of a login, ${concurrency} at once`,
      value: `${ratio.toFixed(2)} × argon2.verify`,
      target: `≤ ${MAX_RATIO} ×`,
      met: ratio <= MAX_RATIO,
    })
  }
  const notes = [`${PER_ROUND} of each a round, argon2id with ${MEMORY_KIB} KiB and ${TIME_COST} passes`]
  return { table, checks, notes, errors, measurements }
}

async function bareVerifies(concurrency: number): Promise<number[]> {
  const args = [PER_ROUND, concurrency, MEMORY_KIB, TIME_COST].map(String)
  const { stdout } = await promisify(execFile)(process.execPath, [PEER, ...args])
  return JSON.parse(stdout) as number[]
}

async function times(count: number, concurrency: number, work: () => Promise<void>): Promise<number[]> {
  const latenciesMs: number[] = []
  let remaining = count
  const goOn = async (): Promise<void> => {
    while (remaining-- > 0) latenciesMs.push((await timed(work)).ms)
  }
  await Promise.all(Array.from({ length: concurrency }, goOn))
  return latenciesMs
}
