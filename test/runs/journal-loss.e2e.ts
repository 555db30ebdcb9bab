import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasResults } from '../support/delegating.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { simulatorEnv } from '../support/run-states.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const POSTGRES_PORT = 5432
/** For how long COMMIT takes where the test wants to be quicker. */
const COMMIT_SECONDS = 1
const USAGE = { promptTokens: 100, completionTokens: 10 }

let simulator: ModelSimulator
let database: TestDatabase
let proxy: TcpProxy
let app: TestApp
let user: TestUser

beforeAll(async () => {
  simulator = await ModelSimulator.start()
  database = await createTestDatabase()
  proxy = await TcpProxy.start(database.url, POSTGRES_PORT)
  const url = { DATABASE_URL: proxy.through(database.url), DATABASE_CONNECT_TIMEOUT_MS: '500' }
  app = await TestApp.start({ database, env: { ...simulatorEnv(simulator), ...url } })
  user = await TestUser.register(app)
  // Commits of what costs something take long, while the switch is on.
  await app.sql('CREATE TABLE slow_commits (seconds numeric)')
  await app.sql(
    `CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
       'BEGIN PERFORM pg_sleep(seconds) FROM public.slow_commits; RETURN NULL; END'`,
  )
  await app.sql(
    `CREATE CONSTRAINT TRIGGER be_slow AFTER INSERT ON cost_tracking DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION be_slow()`,
  )
  await app.sql(
    `CREATE CONSTRAINT TRIGGER be_slow AFTER INSERT ON run_events DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.type = 'output.delta') EXECUTE FUNCTION be_slow()`,
  )
})
beforeEach(() => void simulator.set({ reply: 'It is done.', usage: USAGE }))
afterEach(async () => {
  await proxy.restore()
  await app.sql('DELETE FROM slow_commits')
  simulator.reset()
})
afterAll(async () => {
  await app?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
  await simulator?.stop()
})

const start = async (): Promise<string> => (await user.run({ task: 'Do it.' }, { prefer: 'respond-async' })).json().id

/** Past the proxy. */
async function whenEnded(id: string): Promise<void> {
  while ((await app.sql('SELECT 1 FROM runs WHERE id = $1 AND finished_at IS NOT NULL', [id])).length === 0)
    await sleep(20)
}

async function expectOnce(id: string, calls: number): Promise<void> {
  const [run] = await app.sql(
    `SELECT status, attempt, input_tokens::int AS input, output ->> 'text' AS text FROM runs WHERE id = $1`,
    [id],
  )
  expect(run).toEqual({ status: 'completed', attempt: 1, input: calls * USAGE.promptTokens, text: 'It is done.' })
  expect(simulator.requests).toHaveLength(calls)
  const costs = await app.sql('SELECT is_estimated FROM cost_tracking WHERE run_id = $1', [id])
  expect(costs).toEqual(Array.from({ length: calls }, () => ({ is_estimated: false })))
  const events = await app.sql('SELECT type, sequence::int FROM run_events WHERE run_id = $1 ORDER BY sequence', [id])
  expect(events.filter(({ type }) => type === 'run.completed')).toHaveLength(1)
  expect(events.filter(({ type }) => type === 'step.finished' || type === 'step.started')).toHaveLength(
    2 * (2 * calls - 1),
  )
}

/** Resolves while the server is committing what the worker has sent. */
async function whenCommitting(): Promise<void> {
  const sleeping = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
  while ((await app.sql(sleeping)).length === 0) await sleep(5)
}

it('an answer that comes while the database is away is written once it is back', async () => {
  simulator.set({ latencyMs: 300 })
  const id = await start()
  await simulator.received(1)
  await proxy.cut()
  await simulator.settled()
  await sleep(500)
  await proxy.restore()
  await whenEnded(id)
  await expectOnce(id, 1)
})

it('a last commit whose answer is lost ends the run once, and is paid for once', async () => {
  await app.sql('INSERT INTO slow_commits VALUES ($1)', [COMMIT_SECONDS])
  const id = await start()
  await whenCommitting()
  await proxy.cut()
  await sleep(200)
  await proxy.restore()
  await whenEnded(id)
  // Whatever the worker tries again by then.
  await sleep(1000)
  await expectOnce(id, 1)
})

it('a commit in the middle whose answer is lost is not made again, and the run goes on', async () => {
  await app.sql('INSERT INTO slow_commits VALUES ($1)', [COMMIT_SECONDS])
  const toolCalls = [{ name: 'nothing', arguments: {} }]
  simulator.when((request) => (hasResults(request) ? { reply: 'It is done.' } : { toolCalls }))
  const id = await start()
  await whenCommitting()
  await proxy.cut()
  await app.sql('DELETE FROM slow_commits')
  await sleep(200)
  await proxy.restore()
  await whenEnded(id)
  await expectOnce(id, 2)
})

it('texts whose commit is not heard of are not taken for lost: the model is asked once', async () => {
  simulator.set({ reply: 'It is done.', tokensPerSecond: 2, usage: USAGE })
  await app.sql('INSERT INTO slow_commits VALUES ($1)', [COMMIT_SECONDS])
  const id = await start()
  await whenCommitting()
  await proxy.cut()
  await app.sql('DELETE FROM slow_commits')
  await sleep(200)
  await proxy.restore()
  await whenEnded(id)
  await expectOnce(id, 1)
  const texts = await app.sql(
    `SELECT string_agg(t, '' ORDER BY sequence) AS text FROM run_events, jsonb_array_elements_text(data -> 'texts') AS t
      WHERE run_id = $1`,
    [id],
  )
  expect(texts).toEqual([{ text: 'It is done.' }])
})
