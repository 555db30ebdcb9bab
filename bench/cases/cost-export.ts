/** A million cost entries of one tenant, exported as they stream: what memory that takes. Linux only: it reads /proc. */
import { setTimeout as delay } from 'node:timers/promises'
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { DAYS, plantEntries, userOf } from '../support/million-runs.ts'
import { residentMib, watchResidentMib } from '../support/resident-memory.ts'
import { timed } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const ENTRIES = 1_000_000
const SETTLE_MS = 10_000
const LOOK_INTERVAL_MS = 50
const MAX_GROWTH_MIB = 50
const NEW_LINE = 10
const DAY_MS = 86_400_000

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url })
  const client = await registerClient(app.baseUrl)
  await plantEntries(
    database.url,
    { tenantId: client.tenantId, userId: await userOf(database.url, client.tenantId) },
    ENTRIES,
  )

  const results = []
  const from = new Date(Date.now() - (DAYS + 1) * DAY_MS).toISOString()
  for (const { format, headings } of [
    { format: 'csv', headings: 1 },
    { format: 'ndjson', headings: 0 },
  ]) {
    await delay(SETTLE_MS)
    const beforeMib = residentMib(app.pid)
    const watch = watchResidentMib(app.pid, LOOK_INTERVAL_MS)
    const { ms, value: lines } = await timed(() =>
      countLines(`${app.baseUrl}/v1/costs/export.${format}?from=${from}`, client.headers),
    )
    results.push({ format, rows: lines - headings, seconds: ms / 1000, beforeMib, growthMib: watch.stop() - beforeMib })
  }
  return {
    table: results.map(({ format, rows, seconds, beforeMib, growthMib }) => ({
      export: format,
      rows,
      seconds: seconds.toFixed(1),
      'RSS before, MiB': beforeMib.toFixed(0),
      'at most, MiB more': growthMib.toFixed(0),
    })),
    checks: results.map(({ format, growthMib }) => ({
      what: `RSS while ${format} streams`,
      value: `+${growthMib.toFixed(0)} MiB`,
      target: `≤ +${MAX_GROWTH_MIB} MiB`,
      met: growthMib <= MAX_GROWTH_MIB,
    })),
    notes: [`${ENTRIES} entries of one tenant, ${SETTLE_MS / 1000} s of rest before each`],
    errors: results.filter(({ rows }) => rows !== ENTRIES).length,
    measurements: results,
  }
}

async function countLines(url: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(url, { headers })
  if (response.status !== 200 || !response.body) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  let lines = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    for (const byte of chunk) if (byte === NEW_LINE) lines++
  }
  return lines
}
