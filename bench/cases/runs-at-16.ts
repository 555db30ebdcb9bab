/**
 * Waiting runs, 16 at a time, on a model that answers at once: us, and Nest the stock way, which inserts a row, calls the
 * same simulator with the AI SDK and updates the row; alternating under the same load, on the same PostgreSQL server.
 */
import { createPeerTable } from '../peers/runs-table.ts'
import { registerClient, runSchema } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { alternateLoad, type LoadTarget, summarise } from '../support/load.ts'
import { startStockNest } from '../support/peers.ts'
import { simulatorEnvironment, startSimulator } from '../support/simulator.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const CONNECTIONS = 16
const WARM_UP_SECONDS = 2
const MIN_RATIO_TO_STOCK = 0.5

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using ourDatabase = await server.createDatabase()
  await using peerDatabase = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using simulator = await startSimulator({ latencyMs: 0 })
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: ourDatabase.url,
    env: simulatorEnvironment(simulator),
  })
  const client = await registerClient(app.baseUrl)
  await createPeerTable(peerDatabase.url, client.tenantId, [])
  await using stock = await startStockNest({
    databaseUrl: peerDatabase.url,
    tenantId: client.tenantId,
    modelBaseUrl: simulator.baseUrl,
  })

  let task = 0
  const shared = {
    paths: ['/v1/agents/developer/run'],
    body: () => ({ task: `Write a function that adds ${task++} to a number.` }),
  }
  const targets: LoadTarget[] = [
    { name: 'TempoNest', baseUrl: app.baseUrl, headers: client.headers, ...shared },
    {
      name: stock.name,
      baseUrl: stock.ready.baseUrl,
      headers: { authorization: `Bearer ${stock.ready.token}` },
      ...shared,
    },
  ]
  await requireSameAnswers(targets)

  await alternateLoad(targets, { rounds: 1, seconds: WARM_UP_SECONDS, connections: CONNECTIONS })
  await Promise.all([ourDatabase.analyze(), peerDatabase.analyze()])
  const [ours = [], peers = []] = await alternateLoad(targets, { ...options, connections: CONNECTIONS })
  // Round against round, since neighbours in time share what else the machine did.
  const ratio = median(ours.map((round, index) => round.requestsPerSecond / peers[index]!.requestsPerSecond))
  const figures = [summarise(ours), summarise(peers)]
  return {
    table: figures.map(({ requestsPerSecond, p50Ms, p99Ms, errors }, index) => ({
      server: targets[index]!.name,
      'runs/s': Math.round(requestsPerSecond),
      'p50 ms': p50Ms.toFixed(1),
      'p99 ms': p99Ms.toFixed(1),
      errors,
    })),
    checks: [
      {
        what: 'runs/s, us / stock Nest',
        value: ratio.toFixed(2),
        target: `≥ ${MIN_RATIO_TO_STOCK.toFixed(2)}`,
        met: ratio >= MIN_RATIO_TO_STOCK,
      },
    ],
    notes: [`median of ${options.rounds} rounds of ${options.seconds} s each, ${CONNECTIONS} waiting runs at a time`],
    errors: figures.reduce((sum, { errors }) => sum + errors, 0),
    measurements: { ours, peers },
  }
}

/** The figures compare nothing unless everyone really asks the model and keeps what it said. */
async function requireSameAnswers(targets: readonly LoadTarget[]): Promise<void> {
  const texts = await Promise.all(targets.map(answerOf))
  if (new Set(texts).size > 1) throw new Error(`the servers answer differently:\n${texts.join('\n')}`)
}

async function answerOf({ name, baseUrl, headers, paths }: LoadTarget): Promise<string> {
  const response = await fetch(`${baseUrl}${paths[0]}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ task: 'Write a function that reverses a string.' }),
  })
  const run = runSchema.parse(await response.json())
  const stored = await fetch(`${baseUrl}/v1/runs/${run.id}`, { headers })
  const { status, output } = runSchema.parse(await stored.json())
  if (status !== 'completed' || !output) throw new Error(`${name} stored a run that is ${status}`)
  return output.text
}
