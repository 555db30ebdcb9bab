import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { ClaimedRun } from '../../src/modules/runs/engine/claimed-run.js'
import { RunStopped } from '../../src/modules/runs/engine/lease-ended.js'
import { RunLeases } from '../../src/modules/runs/engine/run-leases.service.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { getRun, simulatorEnv, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const LEASE_MS = 1500
/** Until the lease of a run that is not renewed has run out, and the sweep has found it, with some to spare. */
const LOCKED_MS = LEASE_MS + 3000

let simulator: ModelSimulator
let first: TestApp
let second: TestApp

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  const env = { ...simulatorEnv(simulator), RUN_LEASE_MS: String(LEASE_MS) }
  first = await TestApp.start({ env })
  second = await TestApp.start({ env, database: first.database })
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await first?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

it("a row that somebody keeps locked costs nobody else's lease, and its own run goes on", async () => {
  simulator.set({ hang: 'before-headers' })
  const user = await TestUser.register(first)
  const other = await TestUser.register(first)
  const start = async (by: TestUser): Promise<string> => {
    const { id } = (await by.run({ task: 'Hang.' }, { prefer: 'respond-async' })).json()
    await whenRun(by, id, ({ status }) => status === 'running')
    return id
  }
  const locked = await start(user)
  const sibling = await start(user)
  const foreign = await start(other)
  await simulator.received(3)
  await withClient(first.database.url, async (client) => {
    await client.query('BEGIN')
    await client.query('SELECT 1 FROM runs WHERE id = $1 FOR UPDATE', [locked])
    await sleep(LOCKED_MS)
    expect(await getRun(user, sibling)).toMatchObject({ status: 'running', attempt: 1 })
    expect(await getRun(other, foreign)).toMatchObject({ status: 'running', attempt: 1 })
    // Nobody has taken the locked one either: it is nothing but unknown for a while.
    expect(simulator.requests.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'pending'])
    await client.query('ROLLBACK')
  })
  for (const id of [locked, sibling]) await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
  await other.request({ method: 'POST', url: `/v1/runs/${foreign}/cancel` })
})

it('a run that was to stop before its worker held it is stopped as soon as it does', async () => {
  const leases = first.nest.get(RunLeases)
  const user = await TestUser.register(first)
  const runId = newId()
  const { tenantId } = user
  await first.nest.get(Database).transaction({ tenantId }, (tx) => leases.askToStop(runId, tx))
  const lease = leases.hold({ tenantId, runId, fencingNumber: '1', isCancelled: false } as ClaimedRun)
  expect(lease.signal.reason).toBeInstanceOf(RunStopped)
  leases.forget(lease)
})
