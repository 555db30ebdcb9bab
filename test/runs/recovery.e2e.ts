import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { Usd } from '#kernel/usd.js'
import { Database } from '#platform/database/database.js'
import type { ClaimedRun } from '../../src/modules/runs/engine/claimed-run.js'
import { QueueRepository } from '../../src/modules/runs/engine/queue.repository.js'
import { MAX_UNSTORED_EVENTS } from '../../src/modules/runs/engine/run-session.js'
import { hasResults } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { getRun as findRun, listLog, whenFinished as whenEnded } from '../support/run-states.js'
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

const getRun = (id: string) => findRun(user, id)
const whenFinished = (id: string, limitMs: number) => whenEnded(user, id, limitMs)

/** A run as the database has it when its worker, or the bell, is gone: a row, and nobody who was told. */
async function insertRun(columns: Record<string, unknown> = {}): Promise<string> {
  const id = newId()
  const createdAt = columns['created_at'] ?? new Date()
  const row = {
    tenant_id: user.tenantId,
    id,
    root_run_id: id,
    agent: 'developer',
    agent_version: 1,
    status: 'pending',
    task: 'Say hello.',
    model: 'openai/gpt-4o-mini',
    input: {},
    user_id: user.userId,
    created_at: createdAt,
    queued_since: columns['status'] === undefined ? createdAt : null,
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
    const env = { OPENAI_BASE_URL: simulator.baseUrl, DEFAULT_MODEL: 'openai/gpt-4o-mini', RUN_CONCURRENCY: '1' }
    await using third = await TestApp.start({ env, database: first.database })
    const guest = await TestUser.register(third)
    // Its only slot is taken: whatever else is started there, the others must work on.
    simulator.next({ hang: 'before-headers' }).set({ latencyMs: 200 })
    const busy = (await guest.run({ task: 'Hang.' }, { prefer: 'respond-async' })).json()
    await simulator.received(1)
    const startedAt = performance.now()
    const response = await guest.run({ task: 'Say hello.' })
    expect(response.json()).toMatchObject({ status: 'completed', attempt: 1 })
    // By the notification: without it the waiting request would look again after 5 s only.
    expect(performance.now() - startedAt).toBeLessThan(3000)
    await guest.request({ method: 'POST', url: `/v1/runs/${busy.id}/cancel` })
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
    const id = (
      await stopping.inject({
        method: 'POST',
        url: '/v1/agents/developer/run',
        headers: { authorization: `Bearer ${user.accessToken}`, prefer: 'respond-async' },
        payload: { task: 'Say hello.' },
      })
    ).json().id
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
        detail: 'This run was not brought any further in 3 attempts.',
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
      deadline_at: secondsAgo(1),
      lease_expires_at: secondsAgo(1),
    })
    expect(await whenFinished(id, SWEEP_LIMIT_MS)).toMatchObject({
      status: 'failed',
      attempt: 2,
      error: { code: 'run_timeout' },
    })
  })
})

describe('a run whose bell was lost', () => {
  it('is found by the sweep', async () => {
    const id = await insertRun()
    expect(await whenFinished(id, SWEEP_LIMIT_MS)).toMatchObject({ status: 'completed', attempt: 1 })
  })
})

describe('a run that has finished steps when its worker vanishes', () => {
  /** As when the process is gone: nobody renews, and whoever comes next may take it. */
  const loseWorker = (id: string) =>
    sql(
      `UPDATE runs SET fencing_number = fencing_number + 1, lease_expires_at = now() - interval '1 s' WHERE id = $1`,
      [id],
    )

  it('costs those nothing whose commit it would have shared', async () => {
    simulator.set({ latencyMs: 500 })
    const waiting = Array.from({ length: 12 }, (_, index) => user.run({ task: `Count to ${index}.` }))
    await simulator.received(12)
    const [lost] = await sql<{ id: string }>(
      `SELECT id FROM runs WHERE tenant_id = $1 AND status = 'running' ORDER BY id DESC OFFSET 5 LIMIT 1`,
      [user.tenantId],
    )
    await loseWorker(lost!.id)
    const runs = (await Promise.all(waiting)).map((response) => response.json())
    expect(runs.map(({ status }) => status)).toEqual(Array(12).fill('completed'))
    expect(runs.filter(({ attempt }) => attempt !== 1)).toMatchObject([{ id: lost!.id, attempt: 2 }])
    for (const { id, attempt } of runs) expect(await costRowsOf(id)).toHaveLength(attempt)
  }, 30_000)

  it('goes on from the last of them: nothing finished is done again, and all that was used is counted', async () => {
    const toolCalls = [{ name: 'nothing', arguments: {} }]
    const usage = { promptTokens: 100, completionTokens: 10 }
    let isLost = false
    simulator.when((request) => {
      if (!hasResults(request)) return { toolCalls, usage }
      return isLost ? { reply: 'Done.', usage } : { reply: 'One two three four.', hang: { afterChunks: 3 } }
    })
    const { id } = (await user.run({ task: 'Call.' }, { prefer: 'respond-async' })).json()
    await simulator.received(2)
    while (!(await listLog(user, id)).some(({ type }) => type === 'output.delta')) await sleep(20)
    const before = await listLog(user, id)
    isLost = true
    await loseWorker(id)
    const run = await whenFinished(id, SWEEP_LIMIT_MS)
    expect(run).toMatchObject({ status: 'completed', attempt: 2, output: { text: 'Done.' } })
    // The first answer once; the second call once for each worker. The worker that lost the run hears of it when it
    // next renews, which may be after the other has finished.
    while (simulator.requests[1]?.outcome === 'pending') await sleep(20)
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['answered', 'disconnected', 'answered'])

    const log = await listLog(user, id)
    const sequences = log.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b))
    expect(log.slice(0, before.length)).toEqual(before)
    expect(Number(log[before.length]?.sequence)).toBeGreaterThan(Number(before.at(-1)?.sequence) + MAX_UNSTORED_EVENTS)
    expect(log.filter(({ type }) => type === 'tool.called')).toHaveLength(1)
    expect(log.filter(({ type }) => type === 'run.started')).toHaveLength(1)

    const costs = await sql<{ step: number; is_estimated: boolean; input: number; output: number }>(
      `SELECT step, is_estimated, input_tokens::int AS input, output_tokens::int AS output
         FROM cost_tracking WHERE run_id = $1 ORDER BY created_at, id`,
      [id],
    )
    expect(costs).toMatchObject([
      { step: 1, is_estimated: false, input: 100, output: 10 },
      { step: 3, is_estimated: true },
      { step: 3, is_estimated: false, input: 100, output: 10 },
    ])
    expect(costs[1]?.output).toBeGreaterThan(0)
    const sum = (key: 'input' | 'output') => costs.reduce((total, cost) => total + cost[key], 0)
    expect(run.usage).toMatchObject({ inputTokens: sum('input'), outputTokens: sum('output') })
    const steps = await sql<{ status: string; input: number; cost: string }>(
      'SELECT status, input_tokens::int AS input, trim_scale(cost_usd)::text AS cost FROM run_steps WHERE run_id = $1 ORDER BY position',
      [id],
    )
    expect(steps.map(({ status }) => status)).toEqual(['completed', 'failed', 'completed'])
    expect(steps.reduce((total, { input }) => total + input, 0)).toBe(run.usage.inputTokens)
    expect(steps.reduce((total, { cost }) => total.plus(Usd.parse(cost)), Usd.ZERO).toString()).toBe(run.costUsd)
  }, 15_000)
})

describe('a worker that is late', () => {
  const claim = (id: string): Promise<ClaimedRun[]> => {
    const { tenantId } = user
    const request = { tenantId, runIds: [id], leaseMs: 60_000, timeoutSeconds: 60, now: new Date() }
    return first.nest
      .get(Database)
      .workers.transaction({ tenantId }, (tx) => first.nest.get(QueueRepository).claim(request, tx))
  }

  it('writes nothing of an answer that comes after another one has taken the run', async () => {
    simulator.set({ reply: 'Late.', latencyMs: 300 })
    const { id } = (await user.run({ task: 'Be late.' }, { prefer: 'respond-async' })).json()
    await simulator.received(1)
    await sql(
      `UPDATE runs SET fencing_number = fencing_number + 1, attempt = 2, lease_expires_at = now() + interval '1 h' WHERE id = $1`,
      [id],
    )
    const before = await listLog(user, id)
    await simulator.settled()
    // The next renewal, and any write, has come and gone.
    await sleep(1500)
    expect(await getRun(id)).toMatchObject({ status: 'running', output: null, attempt: 2, usage: { totalTokens: 0 } })
    expect(await costRowsOf(id)).toEqual([])
    expect(await listLog(user, id)).toEqual(before)
    expect(await sql('SELECT status, result FROM run_steps WHERE run_id = $1', [id])).toEqual([
      { status: 'running', result: null },
    ])
    await sql('DELETE FROM runs WHERE id = $1', [id])
  })

  it('cannot claim a run that another one holds, nor one that is finished', async () => {
    const id = await insertRun({ status: 'running', attempt: 1, lease_expires_at: new Date(Date.now() + 60_000) })
    expect(await claim(id)).toEqual([])
    await sql(`UPDATE runs SET status = 'completed', lease_expires_at = now() - interval '1 s' WHERE id = $1`, [id])
    expect(await claim(id)).toEqual([])
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
