import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '#kernel/ids.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { plantQueuedRuns } from '../support/queued-runs.js'
import { getRun, simulatorEnv, whenFinished, whenRun } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

/** Two tenants fill the replica. */
const SLOTS = 2
const TENANT_SLOTS = 1
const BACKLOG = 40
const CALL_MS = 300
/** How much longer another tenant's queue may make one wait. */
const FIRST_RUN_LIMIT_MS = 1000
const SWEEP_MS = 2000
const STOP_LIMIT_MS = 1000
/** Places behind it are not counted. */
const LAST_PLACE = 1000

let simulator: ModelSimulator
let app: TestApp
let user: TestUser
let other: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  const env = { RUN_CONCURRENCY: String(SLOTS), RUN_TENANT_CONCURRENCY: String(TENANT_SLOTS) }
  app = await TestApp.start({ env: { ...simulatorEnv(simulator), ...env } })
})
beforeEach(async () => {
  user = await TestUser.register(app)
  other = await TestUser.register(app)
})
afterEach(async () => {
  await app.sql('DROP TRIGGER IF EXISTS meddle ON runs')
  await app.sql(
    `UPDATE runs SET status = 'cancelled', finished_at = now(), queued_since = NULL WHERE queued_since IS NOT NULL`,
  )
  while ((await app.sql('SELECT 1 FROM runs WHERE finished_at IS NULL')).length > 0) await sleep(20)
  simulator.reset()
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const start = async (by: TestUser): Promise<string> =>
  (await by.run({ task: 'Wait.' }, { prefer: 'respond-async' })).json().id

/** Older than whatever comes later, by their ids as well as by their age. */
async function fillQueue(): Promise<void> {
  simulator.set({ latencyMs: CALL_MS })
  for (const by of [user, other]) await Promise.all(Array.from({ length: BACKLOG }, () => start(by)))
}

/** Whatever is done with a row of this tenant's runs is preceded by `action`, an SQL statement. */
async function meddleWith(tenantId: string, action: string): Promise<void> {
  await app.sql(
    `CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${action}; RETURN NEW; END $$`,
  )
  await app.sql(
    `CREATE TRIGGER meddle BEFORE UPDATE ON runs FOR EACH ROW WHEN (OLD.tenant_id = '${tenantId}') EXECUTE FUNCTION meddle()`,
  )
}

async function onlyRunOf({ tenantId }: TestUser): Promise<string> {
  const [run] = await app.sql('SELECT id FROM runs WHERE tenant_id = $1', [tenantId])
  return String(run?.['id'])
}

describe('a replica that two tenants keep full', () => {
  it("gives the next slot that becomes free to a third one's first run", async () => {
    await fillQueue()
    const newcomer = await TestUser.register(app)
    const run = await whenRun(newcomer, await start(newcomer), ({ startedAt }) => startedAt !== null)
    expect(Date.parse(String(run.startedAt)) - Date.parse(run.createdAt)).toBeLessThan(FIRST_RUN_LIMIT_MS)
  })

  it('takes up a run that was lost, in its turn, as another attempt', async () => {
    await fillQueue()
    const owner = await TestUser.register(app)
    const id = newId()
    await app.sql(
      `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at, started_at,
                         deadline_at, attempt, fencing_number, last_event, lease_expires_at)
       VALUES ($1, $2, $2, 'developer', 1, 'running', 'x', 'openai/gpt-4o-mini', '{}', now(), now(), now() + interval '1 h', 1,
               1, 3, now() - interval '1 s')`,
      [owner.tenantId, id],
    )
    const run = await whenFinished(owner, id, SWEEP_MS + FIRST_RUN_LIMIT_MS + 2 * CALL_MS)
    expect(run).toMatchObject({ status: 'completed', attempt: 2 })
    expect(await app.sql('SELECT queued_since, lease_expires_at FROM runs WHERE id = $1', [id])).toEqual([
      { queued_since: null, lease_expires_at: null },
    ])
  })
})

describe('claims of several tenants at once', () => {
  it("work on one tenant's runs although another's cannot be claimed, and lose no slot by it", async () => {
    await meddleWith(user.tenantId, `RAISE EXCEPTION 'no'`)
    await plantQueuedRuns(app, { tenantIds: [user.tenantId, other.tenantId], count: 1 })
    expect(await whenFinished(other, await onlyRunOf(other), 2 * SWEEP_MS)).toMatchObject({
      status: 'completed',
      attempt: 1,
    })
    await app.sql('DROP TRIGGER meddle ON runs')
    expect(await whenFinished(user, await onlyRunOf(user), 2 * SWEEP_MS)).toMatchObject({ status: 'completed' })
    simulator.set({ hang: 'before-headers' })
    const running = await Promise.all([user, other].map(async (by) => ({ by, id: await start(by) })))
    for (const { by, id } of running) await whenRun(by, id, ({ status }) => status === 'running', FIRST_RUN_LIMIT_MS)
    for (const { by, id } of running) await by.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
  })

  it("do not wait for each other's: a run can be stopped from the moment that it is taken", async () => {
    simulator.set({ hang: 'before-headers' })
    await meddleWith(user.tenantId, 'PERFORM pg_sleep(2)')
    await plantQueuedRuns(app, { tenantIds: [user.tenantId, other.tenantId], count: 1 })
    const id = await onlyRunOf(other)
    await whenRun(other, id, ({ status }) => status === 'running')
    await other.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
    expect(await whenFinished(other, id, STOP_LIMIT_MS)).toMatchObject({ status: 'cancelled' })
    await app.sql('DROP TRIGGER meddle ON runs')
    await user.request({ method: 'POST', url: `/v1/runs/${await onlyRunOf(user)}/cancel` })
  })
})

describe('the place in a long queue', () => {
  it('is counted up to the last place that is shown', async () => {
    simulator.set({ hang: 'before-headers' })
    const busy = await start(user)
    await whenRun(user, busy, ({ status }) => status === 'running')
    await plantQueuedRuns(app, { tenantIds: [user.tenantId], count: LAST_PLACE + 500 })
    const places = async (task: string) => {
      const [run] = await app.sql('SELECT id FROM runs WHERE tenant_id = $1 AND task = $2', [user.tenantId, task])
      return (await getRun(user, String(run?.['id']))).queuePosition
    }
    expect(await places(`Task ${LAST_PLACE - 1}`)).toBe(LAST_PLACE - 1)
    expect(await places(`Task ${LAST_PLACE + 400}`)).toBe(LAST_PLACE)
    await app.sql(`DELETE FROM runs WHERE queued_since IS NOT NULL`)
    await user.request({ method: 'POST', url: `/v1/runs/${busy}/cancel` })
  })
})
