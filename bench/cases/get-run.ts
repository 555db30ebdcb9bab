/**
 * An authenticated `GET /v1/runs/{id}`: us, bare Fastify + pg, and Nest the stock way, alternating under the same load,
 * each reading the same runs from the same PostgreSQL server and answering with the same JSON.
 */
import { isDeepStrictEqual } from 'node:util'
import { createPeerTable } from '../peers/runs-table.ts'
import { registerClient, type Run } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase, Check } from '../support/bench-case.ts'
import { alternateLoad, type LoadTarget, type Round, summarise } from '../support/load.ts'
import { startBareFastify, startStockNest } from '../support/peers.ts'
import { median } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const RUNS = 10
const TASK = 'Write a function that returns the n-th Fibonacci number, and a test for it.'
const MIN_RATIO_TO_BARE = 0.4
const MIN_RATIO_TO_STOCK = 2

export const run: BenchCase = async ({ options, postgres }) => {
  const server = await postgres()
  await using ourDatabase = await server.createDatabase()
  await using peerDatabase = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({ dataDirectory: directory.path, databaseUrl: ourDatabase.url })

  const client = await registerClient(app.baseUrl)
  const runs: Run[] = []
  for (let index = 0; index < RUNS; index++) runs.push(await client.runDeveloper(`${TASK} Variant ${index}.`))
  await createPeerTable(peerDatabase.url, client.tenantId, runs)

  const peer = { databaseUrl: peerDatabase.url, tenantId: client.tenantId }
  await using bare = await startBareFastify(peer)
  await using stock = await startStockNest(peer)

  const paths = runs.map(({ id }) => `/v1/runs/${id}`)
  const targets: LoadTarget[] = [
    { name: 'TempoNest', baseUrl: app.baseUrl, paths, headers: client.headers },
    { name: bare.name, baseUrl: bare.ready.baseUrl, paths, headers: {} },
    {
      name: stock.name,
      baseUrl: stock.ready.baseUrl,
      paths,
      headers: { authorization: `Bearer ${stock.ready.token}` },
    },
  ]
  await requireSameAnswers(targets)

  const rounds = await alternateLoad(targets, options)
  const [ours, ...peers] = rounds.map(summarise)
  return {
    table: targets.map(({ name }, index) => {
      const figures = index === 0 ? ours! : peers[index - 1]!
      return {
        server: name,
        'req/s': Math.round(figures.requestsPerSecond),
        'p50 ms': figures.p50Ms.toFixed(2),
        'p99 ms': figures.p99Ms.toFixed(2),
        'us / it': index === 0 ? '' : ratioOf(rounds[0]!, rounds[index]!).toFixed(2),
        errors: figures.errors,
      }
    }),
    checks: [
      checkRatio('us / bare Fastify', ratioOf(rounds[0]!, rounds[1]!), MIN_RATIO_TO_BARE),
      checkRatio('us / stock Nest', ratioOf(rounds[0]!, rounds[2]!), MIN_RATIO_TO_STOCK),
    ],
    notes: [`median of ${options.rounds} rounds of ${options.seconds} s each, 16 connections, ${RUNS} runs in turn`],
    errors: [ours!, ...peers].reduce((sum, { errors }) => sum + errors, 0),
    measurements: targets.map(({ name }, index) => ({ name, rounds: rounds[index] })),
  }
}

/** The figures compare nothing unless everyone does the same work. */
async function requireSameAnswers(targets: readonly LoadTarget[]): Promise<void> {
  for (const path of targets[0]!.paths) {
    const answers = await Promise.all(targets.map((target) => getJson(target, path)))
    const different = answers.findIndex((answer) => !isDeepStrictEqual(answer, answers[0]))
    if (different === -1) continue
    const shown = [answers[0], answers[different]].map((answer) => JSON.stringify(answer)).join('\n')
    throw new Error(
      `${targets[different]!.name} answers ${path} otherwise than we do; bring peers/ up to date:\n${shown}`,
    )
  }
}

async function getJson({ baseUrl, headers, name }: LoadTarget, path: string): Promise<unknown> {
  const response = await fetch(`${baseUrl}${path}`, { headers })
  if (response.status !== 200) throw new Error(`${name}: ${path} is ${response.status} ${await response.text()}`)
  return response.json()
}

/** Round against round, since neighbours in time share what else the machine did. */
function ratioOf(ours: readonly Round[], peers: readonly Round[]): number {
  return median(ours.map((round, index) => round.requestsPerSecond / peers[index]!.requestsPerSecond))
}

function checkRatio(what: string, ratio: number, target: number): Check {
  return { what: `req/s, ${what}`, value: ratio.toFixed(2), target: `≥ ${target.toFixed(2)}`, met: ratio >= target }
}
