/** Two thousand open event streams on one replica: what they cost in memory, and how long an event takes to reach them all. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { type ApiClient, registerClient } from '../support/api-client.ts'
import { startApp } from '../support/app-process.ts'
import type { BenchCase } from '../support/bench-case.ts'
import { withClient } from '../support/postgres.ts'
import { residentMib } from '../support/resident-memory.ts'
import { median, percentile } from '../support/stats.ts'
import { createTemporaryDirectory } from '../support/temporary-directory.ts'

const STREAMS = 2000
const RUNS = 20
const OPENED_AT_ONCE = 100
const EVENTS = 20
const INTERVAL_MS = 500
const SETTLE_MS = 2000
const DELIVERY_LIMIT_MS = 30_000
const POLL_MS = 20
const MAX_MIB = 350
const MAX_P95_MS = 250
const EVENT_PATTERN = /^data: \{"text":"([\d.]+)"\}$/gm

export const run: BenchCase = async ({ postgres }) => {
  const server = await postgres()
  await using database = await server.createDatabase()
  await using directory = await createTemporaryDirectory()
  await using app = await startApp({
    dataDirectory: directory.path,
    databaseUrl: database.url,
    // All of one tenant.
    env: { RUN_TENANT_STREAMS_MAX: String(STREAMS) },
  })
  const client = await registerClient(app.baseUrl)
  return await withClient(database.url, async (sql) => {
    const runIds = await addRuns(sql, client.tenantId)
    const idleMib = residentMib(app.pid)
    const delaysMs: number[] = []
    const streams = await openStreams(app.baseUrl, { client, runIds, onEvent: (delayMs) => delaysMs.push(delayMs) })
    await delay(SETTLE_MS)
    const openMib = residentMib(app.pid)
    for (let sequence = 1; sequence <= EVENTS; sequence++) {
      await addEvent(sql, { tenantId: client.tenantId, runIds, sequence })
      await delay(INTERVAL_MS)
    }
    const expected = STREAMS * EVENTS
    const deadline = Date.now() + DELIVERY_LIMIT_MS
    while (delaysMs.length < expected && Date.now() < deadline) await delay(POLL_MS)
    const busyMib = residentMib(app.pid)
    for (const stream of streams) stream.destroy()
    const p95 = percentile(delaysMs, 95)
    return {
      table: [
        {
          streams: streams.length,
          runs: RUNS,
          delivered: delaysMs.length,
          'median ms': Math.round(median(delaysMs)),
          'p95 ms': Math.round(p95),
          'RSS MiB idle': Math.round(idleMib),
          open: Math.round(openMib),
          busy: Math.round(busyMib),
          'KiB a stream': (((busyMib - idleMib) * 1024) / STREAMS).toFixed(1),
        },
      ],
      checks: [
        {
          what: 'events delivered',
          value: `${delaysMs.length} of ${expected}`,
          target: 'all',
          met: delaysMs.length === expected,
        },
        { what: 'RSS', value: `${Math.round(busyMib)} MiB`, target: `≤ ${MAX_MIB} MiB`, met: busyMib <= MAX_MIB },
        { what: 'delay, p95', value: `${Math.round(p95)} ms`, target: `≤ ${MAX_P95_MS} ms`, met: p95 <= MAX_P95_MS },
      ],
      notes: [
        `every ${INTERVAL_MS} ms an event in each of ${RUNS} runs, each followed by ${STREAMS / RUNS} readers, in one commit`,
        'delay: from before the statement that stores it until a reader has it, readers and bench in one process',
      ],
      errors: expected - delaysMs.length,
      measurements: { delaysMs, idleMib, openMib, busyMib },
    }
  })
}

/** Runs that a worker holds which nobody hears of: what happens in them is up to the bench. */
async function addRuns(sql: Client, tenantId: string): Promise<string[]> {
  const runIds = Array.from({ length: RUNS }, () => randomUUID())
  await sql.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, cache, metadata,
                       created_at, started_at, attempt, fencing_number, lease_expires_at)
     SELECT $1, id, id, 'developer', 1, 'running', 'Say it.', 'offline/extractive', '{}', 'off', '{}',
            now(), now(), 1, 1, now() + interval '1 hour'
       FROM unnest($2::uuid[]) AS id`,
    [tenantId, runIds],
  )
  return runIds
}

async function addEvent(
  sql: Client,
  { tenantId, runIds, sequence }: { tenantId: string; runIds: string[]; sequence: number },
): Promise<void> {
  await sql.query(
    `WITH added AS (
       INSERT INTO run_events (tenant_id, run_id, sequence, type, data, created_at)
       SELECT $1, id, $3, 'output.delta', jsonb_build_object('texts', jsonb_build_array($4::text)), now()
         FROM unnest($2::uuid[]) AS id),
     advanced AS (UPDATE runs SET last_event = $3 WHERE tenant_id = $1 AND id = ANY($2))
     SELECT pg_notify('run_events', array_to_string($2::uuid[], ','))`,
    [tenantId, runIds, sequence, String(performance.now())],
  )
}

async function openStreams(
  baseUrl: string,
  { client, runIds, onEvent }: { client: ApiClient; runIds: string[]; onEvent: (delayMs: number) => void },
): Promise<IncomingMessage[]> {
  const agent = new Agent({ maxSockets: Infinity })
  const streams: IncomingMessage[] = []
  while (streams.length < STREAMS) {
    const batch = Array.from({ length: OPENED_AT_ONCE }, async (_, index) => {
      const path = `/v1/runs/${runIds[index % RUNS]}/events`
      const outgoing = request(new URL(path, baseUrl), { agent, headers: client.headers }).end()
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
      if (response.statusCode !== 200) throw new Error(`GET ${path}: ${response.statusCode}`)
      // Events are far smaller than a packet: each comes in one piece.
      response.setEncoding('utf8').on('data', (text: string) => {
        for (const [, sentAt] of text.matchAll(EVENT_PATTERN)) onEvent(performance.now() - Number(sentAt))
      })
      response.on('error', () => undefined)
      return response
    })
    streams.push(...(await Promise.all(batch)))
  }
  return streams
}
