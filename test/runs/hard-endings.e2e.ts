import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { Client } from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventBus } from '#platform/events/event-bus.js'
import { RunFailed } from '../../src/modules/runs/run.events.js'
import { hasResults } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { getRun, listLog, simulatorEnv, whenFinished } from '../support/run-states.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

let simulator: ModelSimulator
let app: TestApp
let user: TestUser
/** Runs whose failure one of those who are told refuses. */
const cursed = new Set<string>()

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  const limits = { RUN_LEASE_MS: '1000', RUN_MAX_ATTEMPTS: '1', DATABASE_STATEMENT_TIMEOUT_MS: '500' }
  app = await TestApp.start({ env: { ...simulatorEnv(simulator), ...limits } })
  app.nest.get(EventBus).subscribe(RunFailed, async ({ outcome }) => {
    if (cursed.has(outcome.runId)) throw new Error('refused')
  })
  user = await TestUser.register(app)
})
afterEach(() => simulator.reset())
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

async function begin(): Promise<string> {
  return (await user.run({ task: 'Do it.' }, { prefer: 'respond-async' })).json().id
}

/** A run whose model has said something and goes on, as its worker falls silent. */
async function beginAndLose(change: string): Promise<string> {
  simulator.set({ reply: 'One two three four.', hang: { afterChunks: 3 } })
  const id = await begin()
  while (!(await listLog(user, id)).some(({ type }) => type === 'output.delta')) await sleep(20)
  await app.sql(
    `UPDATE runs SET fencing_number = fencing_number + 1, lease_expires_at = now() - interval '1 s', ${change} WHERE id = $1`,
    [id],
  )
  return id
}

async function expectCountedOnce(id: string): Promise<void> {
  const { usage } = await getRun(user, id)
  expect(usage.inputTokens).toBeGreaterThan(0)
  expect(usage.outputTokens).toBeGreaterThan(0)
  const costs = await app.sql(
    `SELECT is_estimated, input_tokens::int AS input, output_tokens::int AS output FROM cost_tracking WHERE run_id = $1`,
    [id],
  )
  expect(costs).toEqual([{ is_estimated: true, input: usage.inputTokens, output: usage.outputTokens }])
  const last = (await listLog(user, id)).at(-1)
  expect(last?.data).toMatchObject({ usage: { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens } })
}

it('a read that the database does not answer is made again: the run does not fail for it', async () => {
  const client = new Client({ connectionString: app.database.url })
  await client.connect()
  await client.query('BEGIN; LOCK TABLE kept_answers IN ACCESS EXCLUSIVE MODE')
  const running = user.run({ task: 'Look it up.', cache: 'use' })
  // Twice the time that a statement may take.
  await sleep(1000)
  await client.query('ROLLBACK')
  await client.end()
  const run = (await running).json()
  expect(run).toMatchObject({ status: 'completed', attempt: 1 })
  const log = await listLog(user, run.id)
  expect(log.filter(({ type }) => type === 'run.started')).toHaveLength(1)
  expect(simulator.totals.requests).toBe(1)
})

it('each of several tools that end together has its end and its event in one commit', async () => {
  const toolCalls = ['one', 'two', 'three'].map((name) => ({ name, arguments: {} }))
  simulator.when((request) => (hasResults(request) ? { reply: 'Done.' } : { toolCalls }))
  const { id } = (await user.run({ task: 'Call.' })).json()
  const rows = await app.sql(
    `SELECT s.position, s.xmin = e.xmin AS "isOne" FROM run_steps s
       JOIN run_events e ON e.run_id = s.run_id AND e.type = 'step.finished' AND (e.data ->> 'step')::int = s.position
      WHERE s.run_id = $1 AND s.kind = 'tool' ORDER BY s.position`,
    [id],
  )
  expect(rows).toEqual([2, 3, 4].map((position) => ({ position, isOne: true })))
})

it('what a lost worker has used is counted though the run is cancelled instead of going on', async () => {
  const id = await beginAndLose('attempt = 0')
  const answer = await user.request({ method: 'POST', url: `/v1/runs/${id}/cancel` })
  expect(answer.statusCode).toBeLessThan(300)
  expect(await whenFinished(user, id)).toMatchObject({ status: 'cancelled' })
  await expectCountedOnce(id)
})

it('what a lost worker has used is counted though the run is given up', async () => {
  const id = await beginAndLose('attempt = 1')
  expect(await whenFinished(user, id)).toMatchObject({ status: 'failed', error: { code: 'attempts_exhausted' } })
  await expectCountedOnce(id)
})

it('a run whose end nobody can write down is ended after its last attempt all the same', async () => {
  simulator.set({ failure: { status: 400 }, latencyMs: 200 })
  const id = await begin()
  cursed.add(id)
  const run = await whenFinished(user, id)
  expect(run).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'attempts_exhausted' } })
  expect((await listLog(user, id)).filter(({ type }) => type === 'run.failed')).toHaveLength(1)
}, 20_000)
