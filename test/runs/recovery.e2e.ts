import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { type ClaimedRun, EngineRepository } from '../../src/modules/runs/engine/engine.repository.js'
import { RunSettler } from '../../src/modules/runs/engine/run-settler.service.js'
import { RunWorker } from '../../src/modules/runs/engine/run-worker.job.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

/** The sweep looks every two seconds. */
const SWEEP_LIMIT_MS = 5000

let simulator: ModelSimulator
let first: TestApp
let second: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  const env = {
    OPENAI_BASE_URL: simulator.baseUrl,
    OPENAI_API_KEY: 'test',
    DEFAULT_MODEL: 'openai/gpt-4o-mini',
    RUN_LEASE_MS: '3000',
    RUN_MAX_ATTEMPTS: '3',
  }
  first = await TestApp.start({ env })
  second = await TestApp.start({ env, database: first.database })
  user = await TestUser.register(first)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await first?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

function sql<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
  return withClient(first.database.url, async (client) => (await client.query(text, values)).rows)
}

async function getRun(id: string) {
  const response = await user.request({ method: 'GET', url: `/v1/runs/${id}` })
  expect(response.statusCode).toBe(200)
  return response.json()
}

async function whenFinished(id: string, limitMs: number) {
  const deadline = Date.now() + limitMs
  while (Date.now() < deadline) {
    const run = await getRun(id)
    if (['completed', 'failed', 'cancelled'].includes(run.status)) return run
    await sleep(20)
  }
  throw new Error(`run ${id} was not finished after ${limitMs} ms: ${JSON.stringify(await getRun(id))}`)
}

/** A run as the database has it when its worker, or the wake-up, is gone: a row, and no job. */
async function insertRun(columns: Record<string, unknown> = {}): Promise<string> {
  const id = newId()
  const row = {
    tenant_id: user.tenantId,
    id,
    agent: 'developer',
    agent_version: 1,
    status: 'pending',
    task: 'Say hello.',
    model: 'openai/gpt-4o-mini',
    input: {},
    user_id: user.userId,
    created_at: new Date(),
    ...columns,
  }
  const names = Object.keys(row)
  const parameters = names.map((_, index) => `$${index + 1}`)
  await sql(`INSERT INTO runs (${names.join(', ')}) VALUES (${parameters.join(', ')})`, Object.values(row))
  return id
}

function secondsAgo(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000)
}

async function costRowsOf(id: string): Promise<{ input_tokens: string }[]> {
  return sql('SELECT input_tokens FROM cost_tracking WHERE run_id = $1', [id])
}

describe('two replicas on one database', () => {
  it('share the work: a request that waits on one hears of a run that the other ends', async () => {
    await using third = await TestApp.start({
      env: { OPENAI_BASE_URL: simulator.baseUrl, DEFAULT_MODEL: 'openai/gpt-4o-mini' },
      database: first.database,
    })
    // This replica takes no runs: neither by a job nor by its sweep, for nothing is old enough.
    await third.nest.get(JobQueue).stopWorkers()
    simulator.set({ latencyMs: 200 })
    const guest = await TestUser.register(third)
    const startedAt = performance.now()
    const response = await guest.run({ task: 'Say hello.' })
    expect(response.json()).toMatchObject({ status: 'completed', attempt: 1 })
    // By the notification: without it the waiting request would look again after 5 s only.
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  it('work on each run once', async () => {
    simulator.set({ latencyMs: 50 })
    const responses = await Promise.all(Array.from({ length: 40 }, (_, index) => user.run({ task: `Task ${index}` })))
    const runs = responses.map((response) => response.json())
    expect(runs.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual(Array(40).fill('completed 1'))
    expect(simulator.totals.requests).toBe(40)
  })

  it('keep a run for as long as its worker lives, well beyond the lease', async () => {
    simulator.set({ latencyMs: 6500 })
    const { id } = (await user.run({ task: 'Take your time.' }, { prefer: 'respond-async' })).json()
    expect(await whenFinished(id, 10_000)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(simulator.totals.requests).toBe(1)
  }, 15_000)

  it('pass on the runs of the one that stops, and count no attempt for it', async () => {
    const stopping = await TestApp.start({
      env: { OPENAI_BASE_URL: simulator.baseUrl, DEFAULT_MODEL: 'openai/gpt-4o-mini' },
      database: first.database,
    })
    simulator.next({ hang: 'before-headers' })
    const id = await insertRun()
    await stopping.nest.get(RunWorker).take({ tenantId: user.tenantId, runId: id })
    await simulator.received(1)
    expect(await getRun(id)).toMatchObject({ status: 'running', attempt: 1 })
    await stopping[Symbol.asyncDispose]()
    const run = await whenFinished(id, SWEEP_LIMIT_MS)
    expect(run).toMatchObject({ status: 'completed', attempt: 1 })
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected', 'answered'])
  }, 15_000)
})

describe('a run whose worker has vanished', () => {
  it('is taken up by the sweep when its lease is over, and the attempt counts', async () => {
    const id = await insertRun({
      status: 'running',
      attempt: 1,
      fencing_number: 5,
      started_at: secondsAgo(20),
      lease_expires_at: secondsAgo(1),
    })
    const run = await whenFinished(id, SWEEP_LIMIT_MS)
    expect(run).toMatchObject({ status: 'completed', attempt: 2, output: { text: 'Simulated answer to: Say hello.' } })
    // From when it was first taken up.
    expect(run.durationMs).toBeGreaterThanOrEqual(20_000)
    expect(await sql('SELECT fencing_number, lease_expires_at FROM runs WHERE id = $1', [id])).toEqual([
      { fencing_number: '6', lease_expires_at: null },
    ])
    expect(await costRowsOf(id)).toHaveLength(1)
  })

  it('is left alone while its lease lasts', async () => {
    const lease = new Date(Date.now() + 3500)
    const id = await insertRun({ status: 'running', attempt: 1, fencing_number: 1, lease_expires_at: lease })
    await sleep(3000)
    expect(await getRun(id)).toMatchObject({ status: 'running', attempt: 1 })
    expect(await whenFinished(id, SWEEP_LIMIT_MS)).toMatchObject({ status: 'completed', attempt: 2 })
  }, 15_000)

  it('fails when that has happened too often, without another call', async () => {
    const id = await insertRun({
      status: 'running',
      attempt: 3,
      fencing_number: 3,
      started_at: secondsAgo(20),
      lease_expires_at: secondsAgo(1),
    })
    const run = await whenFinished(id, SWEEP_LIMIT_MS)
    expect(run).toMatchObject({
      status: 'failed',
      output: null,
      error: {
        code: 'attempts_exhausted',
        detail: 'This run was not brought to an end in 3 attempts.',
      },
    })
    expect(simulator.totals.requests).toBe(0)
    expect(await costRowsOf(id)).toEqual([])
  })

  it('fails when its time was over before it could be taken up', async () => {
    const id = await insertRun({
      status: 'running',
      attempt: 1,
      input: { limits: { timeoutSeconds: 5 } },
      started_at: secondsAgo(6),
      lease_expires_at: secondsAgo(1),
    })
    expect(await whenFinished(id, SWEEP_LIMIT_MS)).toMatchObject({
      status: 'failed',
      attempt: 2,
      error: { code: 'run_timeout' },
    })
  })
})

describe('a run whose wake-up was lost', () => {
  it('is found by the sweep after 15 s, and not before', async () => {
    const old = await insertRun({ created_at: secondsAgo(16) })
    const young = await insertRun({ created_at: secondsAgo(5) })
    expect(await whenFinished(old, SWEEP_LIMIT_MS)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(await getRun(young)).toMatchObject({ status: 'pending', attempt: 0 })
    await sql('DELETE FROM runs WHERE id = $1', [young])
  })
})

describe('a worker that is late', () => {
  const execution = {
    output: { text: 'late', data: null, citations: [] },
    error: null,
    answer: {
      text: 'late',
      usage: { isReported: true, inputTokens: 7, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 },
      citations: [],
      finishReason: 'stop',
    },
  }
  let engine: EngineRepository
  let settler: RunSettler

  beforeAll(() => {
    engine = first.nest.get(EngineRepository)
    settler = first.nest.get(RunSettler)
  })

  /** Claimed by hand, and too young for the sweep. */
  async function claim(id: string): Promise<ClaimedRun> {
    const { tenantId } = user
    const claimed = await first.nest
      .get(Database)
      .workers.transaction({ tenantId }, (tx) =>
        engine.claim({ tenantId, runId: id, leaseMs: 60_000, now: new Date() }, tx),
      )
    if (!claimed) throw new Error(`run ${id} was not to be had`)
    return claimed
  }

  it('writes nothing when another one has the run by now', async () => {
    const id = await insertRun()
    const late = await claim(id)
    await sql(`UPDATE runs SET fencing_number = fencing_number + 1, attempt = 2 WHERE id = $1`, [id])
    expect(await settler.settle(late, execution)).toBe(false)
    expect(await getRun(id)).toMatchObject({ status: 'running', output: null, usage: { totalTokens: 0 } })
    expect(await costRowsOf(id)).toEqual([])

    const { fencingNumber } = late
    const current = { ...late, fencingNumber: String(Number(fencingNumber) + 1) }
    expect(await settler.settle(current, execution)).toBe(true)
    expect(await getRun(id)).toMatchObject({ status: 'completed', output: { text: 'late' } })
    expect(await costRowsOf(id)).toEqual([{ input_tokens: '7' }])
  })

  it('writes nothing when the run is finished, not even a second time itself', async () => {
    const id = await insertRun()
    const run = await claim(id)
    expect(await settler.settle(run, execution)).toBe(true)
    expect(await settler.settle(run, { ...execution, output: null })).toBe(false)
    expect(await getRun(id)).toMatchObject({ status: 'completed', output: { text: 'late' } })
    expect(await costRowsOf(id)).toHaveLength(1)
  })

  it('cannot claim a run that another one holds, nor one that is finished', async () => {
    const id = await insertRun()
    const run = await claim(id)
    await expect(claim(id)).rejects.toThrow('not to be had')
    await settler.settle(run, execution)
    await expect(claim(id)).rejects.toThrow('not to be had')
  })

  it('is told by its lease, and stops its call', async () => {
    simulator.set({ hang: 'before-headers' })
    const { id } = (await user.run({ task: 'Hang.' }, { prefer: 'respond-async' })).json()
    await simulator.received(1)
    await sql(
      `UPDATE runs SET fencing_number = fencing_number + 1, lease_expires_at = now() + interval '1 h' WHERE id = $1`,
      [id],
    )
    // At the next renewal, which comes three times a lease.
    await simulator.settled({ timeoutMs: 3000 })
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['disconnected'])
    expect(await getRun(id)).toMatchObject({ status: 'running', attempt: 1 })
    await sql('DELETE FROM runs WHERE id = $1', [id])
  })
})
