import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { plantQueuedRuns } from '../support/queued-runs.js'
import { getRun, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

const SLOTS = 8
const TENANT_SLOTS = 6
const CALL_MS = 200
const MANY = 10_000
/** How much longer another tenant's queue may make one wait. */
const FIRST_RUN_LIMIT_MS = 1000
/** The sweep looks every two seconds, bell or no bell. */
const SWEEP_MS = 2000
/** Tenants that one look at the queue visits. */
const TENANTS_PER_ROUND = 200

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    env: { ...simulatorEnv(simulator), RUN_CONCURRENCY: String(SLOTS), RUN_TENANT_CONCURRENCY: String(TENANT_SLOTS) },
  })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterEach(async () => {
  await app.sql(
    `UPDATE runs SET status = 'cancelled', finished_at = now(), queued_since = NULL WHERE queued_since IS NOT NULL`,
  )
  await whenIdle()
  simulator.reset()
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

async function whenIdle(): Promise<void> {
  while ((await app.sql('SELECT 1 FROM runs WHERE finished_at IS NULL')).length > 0) await sleep(20)
}

const start = async (by = user): Promise<string> =>
  (await by.run({ task: 'Wait.' }, { prefer: 'respond-async' })).json().id

const inFlight = () => simulator.requests.filter(({ outcome }) => outcome === 'pending').length

async function whenBusy(tenantId: string): Promise<void> {
  const running = async () =>
    (await app.sql('SELECT 1 FROM runs WHERE tenant_id = $1 AND attempt = 1', [tenantId])).length
  while ((await running()) === 0) await sleep(20)
}

describe('the place in the queue', () => {
  it('is shown while a run is pending, from 1, and moves up', async () => {
    simulator.set({ hang: 'before-headers' })
    const busy = await Promise.all(Array.from({ length: TENANT_SLOTS }, () => start()))
    for (const id of busy)
      expect(await whenRun(user, id, ({ status }) => status === 'running')).not.toHaveProperty('queuePosition')
    const waiting = [await start(), await start(), await start()]
    const places = async () => Promise.all(waiting.map(async (id) => (await getRun(user, id)).queuePosition))
    expect(await places()).toEqual([1, 2, 3])
    await user.request({ method: 'POST', url: `/v1/runs/${waiting[0]}/cancel` })
    expect(await places()).toEqual([undefined, 1, 2])
    const other = await TestUser.register(app)
    const theirs = await start(other)
    // Another tenant's runs are no part of it.
    expect(await whenRun(other, theirs, ({ status }) => status === 'running')).not.toHaveProperty('queuePosition')
    expect(await places()).toEqual([undefined, 1, 2])
    for (const id of [...waiting, ...busy]) await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    await other.request({ method: 'POST', url: `/v1/runs/${theirs}/cancel` })
  })
})

describe('a tenant with ten thousand runs in the queue', () => {
  beforeEach(() => void simulator.set({ latencyMs: CALL_MS }))

  it("does not stand before another's first run", async () => {
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: MANY })
    await whenBusy(user.tenantId)
    const other = await TestUser.register(app)
    const run = await whenFinished(other, await start(other))
    expect(Date.parse(String(run.startedAt)) - Date.parse(run.createdAt)).toBeLessThan(FIRST_RUN_LIMIT_MS)
  })

  it('nor do two that fill all slots', async () => {
    const greedy = await TestUser.register(app)
    await plantQueuedRuns(app, { tenantIds: [user.tenantId, greedy.tenantId], count: MANY / 2 })
    await whenBusy(user.tenantId)
    await whenBusy(greedy.tenantId)
    const other = await TestUser.register(app)
    const id = await start(other)
    const run = await whenFinished(other, id)
    expect(Date.parse(String(run.startedAt)) - Date.parse(run.createdAt)).toBeLessThan(FIRST_RUN_LIMIT_MS)
  })

  it('never has more in flight than its share, and each slot is filled again at once', async () => {
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: MANY })
    await whenBusy(user.tenantId)
    const samples: number[] = []
    const until = Date.now() + SWEEP_MS
    while (Date.now() < until) {
      samples.push(inFlight())
      await sleep(5)
    }
    expect(Math.max(...samples)).toBe(TENANT_SLOTS)
    // By the sweep alone it would be two rounds.
    expect(simulator.totals.requests).toBeGreaterThan(3 * TENANT_SLOTS)
  })

  it('gets them worked on in their order, and what it starts meanwhile comes behind them', async () => {
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: MANY })
    await whenBusy(user.tenantId)
    const answers = []
    // While slots become free again and again.
    while (simulator.totals.requests < 5 * TENANT_SLOTS) {
      answers.push((await user.run({ task: 'Now!' }, { prefer: 'respond-async' })).json().status)
    }
    expect(new Set(answers)).toEqual(new Set(['pending']))
    const [order] = await app.sql(
      `SELECT max(substr(task, 6)::int) FILTER (WHERE attempt = 1) AS latest, count(*) FILTER (WHERE attempt = 1)::int AS begun
         FROM runs WHERE tenant_id = $1 AND task LIKE 'Task %'`,
      [user.tenantId],
    )
    expect(order?.['latest']).toBe(order?.['begun'])
  })
})

describe('the queue', () => {
  it('is looked at by the sweep when a bell was lost', async () => {
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: 1 })
    const [run] = await app.sql('SELECT id FROM runs WHERE tenant_id = $1', [user.tenantId])
    expect(await whenFinished(user, String(run?.['id']), 2 * SWEEP_MS)).toMatchObject({
      status: 'completed',
      attempt: 1,
    })
  })

  it('leaves out no tenant, however many have runs in it', async () => {
    simulator.set({ latencyMs: 50 })
    const tenants = Array.from({ length: TENANTS_PER_ROUND + 20 }, () => newId()).sort()
    await app.sql(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
    await plantQueuedRuns(app, { tenantIds: tenants, count: 10 })
    const last = String(tenants.at(-1))
    await whenBusy(last)
    const [left] = await app.sql(
      'SELECT count(*)::int AS runs FROM runs WHERE tenant_id <> $1 AND queued_since IS NOT NULL',
      [last],
    )
    expect(left?.['runs']).toBeGreaterThan(1000)
  })

  it('is shared by replicas, none of which works on a run that another has', async () => {
    simulator.set({ latencyMs: 30 })
    await using other = await TestApp.start({ env: simulatorEnv(simulator), database: app.database })
    const count = 120
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count })
    // Rings on both.
    await whenFinished(user, await start())
    await whenIdle()
    expect(simulator.totals.requests).toBe(count + 1)
    expect(
      await other.sql('SELECT DISTINCT status, attempt, fencing_number FROM runs WHERE tenant_id = $1', [
        user.tenantId,
      ]),
    ).toEqual([{ status: 'completed', attempt: 1, fencing_number: '1' }])
  })
})
