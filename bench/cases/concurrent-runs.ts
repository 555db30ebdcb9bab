/**
 * A thousand waiting runs at once on a model that takes a second: us, and beside us Nest the stock way, which has no queue, journal
 * or events to keep: what it takes is the ideal on these cores, as one second is with cores without end. Linux only: it reads our
 * resident memory from /proc.
 */
import { createPeerTable } from '../peers/runs-table.ts'
import { type ApiClient, createClient, registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { startStockNest } from '../support/peers.ts'
import { watchResidentMib } from '../support/resident-memory.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median, percentile, timed } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const RUNS = 1000
const WARM_UP_ROUNDS = 3
const WARM_UP_RUNS = 100
const LATENCY_MS = 1000
const MAX_RATIO_TO_STOCK = 1.5
const SAMPLE_INTERVAL_MS = 20
const MAX_RESIDENT_MIB = 350

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using peerDatabase = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: LATENCY_MS })
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    env: { ...simulatorEnvironment(simulator), RUN_CONCURRENCY: String(RUNS), RUN_TENANT_CONCURRENCY: String(RUNS) },
  })

  const client = await registerClient(app.baseUrl)
  await createPeerTable(peerDatabase.url, client.tenantId, [])
  await using stock = await startStockNest({
    databaseUrl: peerDatabase.url,
    tenantId: client.tenantId,
    modelBaseUrl: simulator.baseUrl,
  })
  const { baseUrl, token = '' } = stock.ready

  // The peer first: what comes later finds a machine that is busier.
  const peer = createClient(baseUrl, { accessToken: token, tenantId: client.tenantId })
  await warmUp(peer)
  const peerWall = await timed(() => runAll(peer))
  await warmUp(client)
  const memory = watchResidentMib(app.pid, SAMPLE_INTERVAL_MS)
  const wall = await timed(() => runAll(client))
  const peakMib = memory.stop()
  const ratio = wall.ms / peerWall.ms
  const runsMs = wall.value.flatMap((result) => (result.status === 'fulfilled' ? [result.value.ms] : []))
  const failures = wall.value.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
  return {
    table: [
      {
        runs: RUNS,
        completed: runsMs.length,
        'wall ms': Math.round(wall.ms),
        'stock ms': Math.round(peerWall.ms),
        'wall / stock': ratio.toFixed(2),
        'median ms': Math.round(median(runsMs)),
        'p99 ms': Math.round(percentile(runsMs, 99)),
        'peak RSS MiB': Math.round(peakMib),
      },
    ],
    checks: [
      {
        what: 'runs completed',
        value: `${runsMs.length} of ${RUNS}`,
        target: 'all',
        met: runsMs.length === RUNS,
      },
      {
        what: 'wall, us / stock Nest',
        value: ratio.toFixed(2),
        target: `≤ ${MAX_RATIO_TO_STOCK.toFixed(2)}`,
        met: ratio <= MAX_RATIO_TO_STOCK,
      },
      {
        what: 'peak RSS of our process',
        value: `${Math.round(peakMib)} MiB`,
        target: `≤ ${MAX_RESIDENT_MIB} MiB`,
        met: peakMib <= MAX_RESIDENT_MIB,
      },
    ],
    notes: [
      `stock: ${stock.name}, the same runs on the same cores with no queue, journal or events`,
      `one call takes ${LATENCY_MS} ms, and so would all on cores without end: ours is ${(wall.ms / LATENCY_MS).toFixed(2)} × that`,
      ...new Set(failures),
    ],
    errors: failures.length,
    measurements: { wallMs: wall.ms, peerWallMs: peerWall.ms, runsMs, peakMib },
  }
}

async function warmUp(client: ApiClient): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    await Promise.all(Array.from({ length: WARM_UP_RUNS }, (_, index) => client.runDeveloper(`Warm up ${index}.`)))
  }
}

function runAll(client: ApiClient) {
  return Promise.allSettled(
    Array.from({ length: RUNS }, (_, index) => timed(() => client.runDeveloper(`Describe the number ${index}.`))),
  )
}
