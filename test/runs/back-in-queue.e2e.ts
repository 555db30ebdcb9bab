import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ClaimedRun } from '../../src/modules/runs/engine/claimed-run.js'
import { JournalRepository } from '../../src/modules/runs/engine/journal.repository.js'
import { QueueRepository } from '../../src/modules/runs/engine/queue.repository.js'
import { RunJournal } from '../../src/modules/runs/engine/run-journal.service.js'
import { RunSession } from '../../src/modules/runs/engine/run-session.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { getRun, simulatorEnv, whenFinished } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

/** Runs that wait too long for their children, of which one look takes 50. */
const WAITING_FOR_PEOPLE = 60
const SWEEP_MS = 2000
const LAST_ID = 'ffffffff-ffff-7fff-bfff-ffffffffffff'
const ROOT_SINCE = new Date('2026-01-01T00:00:00Z')

let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  app = await TestApp.start({ env: simulatorEnv(simulator) })
})
beforeEach(async () => {
  user = await TestUser.register(app)
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const inAnHour = () => new Date(Date.now() + 3_600_000)

async function endAll(): Promise<void> {
  await app.sql(
    `UPDATE runs SET status = 'cancelled', finished_at = now(), lease_expires_at = NULL, queued_since = NULL
      WHERE tenant_id = $1 AND finished_at IS NULL`,
    [user.tenantId],
  )
}

async function insertRuns(count: number, columns: Record<string, string | number | Date | null>): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n++) {
    const id = newId()
    const row: Record<string, unknown> = {
      tenant_id: user.tenantId,
      id,
      root_run_id: id,
      agent: 'developer',
      agent_version: 1,
      status: 'running',
      task: 'x',
      model: 'openai/gpt-4o-mini',
      input: {},
      created_at: new Date(),
      started_at: new Date(),
      attempt: 1,
      ...columns,
    }
    const names = Object.keys(row)
    await app.sql(
      `INSERT INTO runs (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
      Object.values(row),
    )
    ids.push(String(row['id']))
  }
  return ids
}

describe('a run that waits for its children past its time limit', () => {
  it('ends, however many stand before it that wait for people', async () => {
    const parents = await insertRuns(WAITING_FOR_PEOPLE, { deadline_at: inAnHour() })
    for (const parent of parents)
      await insertRuns(1, { status: 'waiting_approval', parent_run_id: parent, root_run_id: parent })
    await app.sql(`UPDATE runs SET deadline_at = now() - interval '1 h' WHERE id = ANY($1)`, [parents])
    const [id] = await insertRuns(1, {
      id: LAST_ID,
      root_run_id: LAST_ID,
      deadline_at: new Date(Date.now() - 60_000),
    })
    expect(await whenFinished(user, String(id), 4 * SWEEP_MS)).toMatchObject({
      status: 'failed',
      error: { code: 'run_timeout' },
    })
    expect(await getRun(user, String(parents[0]))).toMatchObject({ status: 'running' })
    await endAll()
  })
})

describe('a child that goes back into the queue', () => {
  async function claimedChild(): Promise<ClaimedRun> {
    // Held by somebody, so that nobody else looks at it.
    const [root] = await insertRuns(1, { created_at: ROOT_SINCE, lease_expires_at: inAnHour() })
    const [child] = await insertRuns(1, {
      root_run_id: String(root),
      parent_run_id: String(root),
      depth: 1,
      deadline_at: inAnHour(),
      lease_expires_at: inAnHour(),
    })
    const claim = { tenantId: user.tenantId, runId: String(child), fencingNumber: '0', parentRunId: String(root) }
    return { ...claim, lastEvent: 0, cache: 'off', wasLost: false } as ClaimedRun
  }

  /** As the transaction sees it, which is undone: no worker takes the run meanwhile. */
  async function placeAfter({ tenantId, runId }: ClaimedRun, work: (tx: Tx) => Promise<unknown>): Promise<unknown> {
    let place: unknown
    const undone = app.nest.get(Database).transaction({ tenantId }, async (tx) => {
      await work(tx)
      const [row] = await tx.query<{ since: Date }>({
        text: 'SELECT queued_since AS since FROM runs WHERE tenant_id = $1 AND id = $2',
        values: [tenantId, runId],
      })
      place = row?.since
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    return place
  }

  it("has its root's place when it is handed over, and when what it would wait for has come about", async () => {
    const run = await claimedChild()
    const queue = app.nest.get(QueueRepository)
    const journal = app.nest.get(JournalRepository)
    expect(await placeAfter(run, (tx) => queue.release(run, tx))).toEqual(ROOT_SINCE)
    expect(await placeAfter(run, (tx) => journal.park(run, false, new Date(), tx))).toEqual(ROOT_SINCE)
    await app.sql('UPDATE runs SET lease_expires_at = NULL, deadline_at = now() WHERE id = $1', [run.runId])
    expect(await placeAfter(run, (tx) => queue.queueOverdue(run, tx))).toEqual(ROOT_SINCE)
    await endAll()
  })

  it('rings for whoever can take it when what it would wait for has come about', async () => {
    const run = await claimedChild()
    await withClient(app.database.url, async (client) => {
      await client.query('LISTEN runs_queued')
      const rung = once(client, 'notification', { signal: AbortSignal.timeout(1000) })
      const session = new RunSession(run, [], () => undefined)
      await app.nest.get(RunJournal).park(session, {}, 'children', new AbortController().signal)
      await rung
    })
    expect(await whenFinished(user, run.runId)).toMatchObject({ id: run.runId })
    await endAll()
  })
})
