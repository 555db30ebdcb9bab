/** Resident memory of our process: idle, and after a thousand GETs. Linux only: it reads /proc. */
import { setTimeout as delay } from 'node:timers/promises'
import { registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { loadTimes } from '../support/load.ts'
import { residentMib } from '../support/resident-memory.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const IDLE_MS = 10_000
const REQUESTS = 1_000
const MAX_IDLE_MIB = 180

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: database.url })

  await delay(IDLE_MS)
  const idleMib = residentMib(app.pid)
  const client = await registerClient(app.baseUrl)
  const { id } = await client.runDeveloper('Write a function that reverses a string.')
  const target = { name: app.name, baseUrl: app.baseUrl, paths: [`/v1/runs/${id}`], headers: client.headers }
  const { errors } = await loadTimes(target, REQUESTS)
  const usedMib = residentMib(app.pid)

  return {
    table: [
      { process: `idle, ${IDLE_MS / 1000} s after ready`, 'RSS MiB': Math.round(idleMib) },
      { process: `after ${REQUESTS} GETs`, 'RSS MiB': Math.round(usedMib) },
    ],
    checks: [
      {
        what: 'idle RSS',
        value: `${Math.round(idleMib)} MiB`,
        target: `≤ ${MAX_IDLE_MIB} MiB`,
        met: idleMib <= MAX_IDLE_MIB,
      },
    ],
    notes: ['our Node process alone; PostgreSQL is another'],
    errors,
    measurements: { idleMib, usedMib },
  }
}
