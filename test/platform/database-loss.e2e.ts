import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { Database } from '#platform/database/database.js'
import { Notifications } from '#platform/database/notifications.js'
import { eventually } from '../support/eventually.js'
import { ModelSimulator } from '../support/model-simulator.js'
import { expectProblem } from '../support/problem.js'
import { simulatorEnv, whenFinished } from '../support/run-states.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'
import { PASSWORD, TestUser } from '../support/test-user.js'

const POSTGRES_PORT = 5432
const STATEMENT_TIMEOUT_MS = 1000
const RECOVERY_MS = 4000

let database: TestDatabase
let proxy: TcpProxy
let simulator: ModelSimulator
let app: TestApp
let user: TestUser

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await TcpProxy.start(database.url, POSTGRES_PORT)
  simulator = await ModelSimulator.start()
  app = await TestApp.start({
    database,
    env: {
      ...simulatorEnv(simulator),
      DATABASE_URL: proxy.through(database.url),
      DATABASE_CONNECT_TIMEOUT_MS: '500',
      DATABASE_STATEMENT_TIMEOUT_MS: String(STATEMENT_TIMEOUT_MS),
    },
  })
  user = await TestUser.register(app)
})
afterEach(async () => {
  await proxy.restore()
  await recovered()
  simulator.reset()
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await simulator.stop()
  await proxy[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** Resolves when reads and writes work again; fails when that takes too long. */
async function recovered(): Promise<void> {
  const deadline = Date.now() + RECOVERY_MS
  while (true) {
    const [read, write] = await Promise.all([user.request({ url: '/v1/runs' }), login()])
    if (read.statusCode === 200 && write.statusCode === 200) return
    if (Date.now() > deadline) throw new Error(`not back after ${RECOVERY_MS} ms: ${read.body} ${write.body}`)
    await sleep(50)
  }
}

function login() {
  return app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email: user.email, password: PASSWORD } })
}

async function expectUnavailable(request: () => ReturnType<TestApp['inject']>): Promise<void> {
  const response = await request()
  const problem = expectProblem(response, { status: 503, code: 'unavailable' })
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  expect(problem.detail).toBe('The database is not available.')
  expect(response.body).not.toMatch(/ECONN|terminat|timeout|127\.0\.0\.1|postgres/i)
}

describe('while the database is gone', () => {
  it('answers reads and writes with 503 and when to come back', async () => {
    await proxy.cut()
    await expectUnavailable(() => user.request({ url: '/v1/runs' }))
    await expectUnavailable(() => user.request({ url: '/v1/auth/me' }))
    await expectUnavailable(login)
    await expectUnavailable(() => user.run({ task: 'Hello.' }, { prefer: 'respond-async' }))
  })

  it('still answers what needs no database', async () => {
    await proxy.cut()
    expect((await user.request({ url: '/v1/agents/developer' })).statusCode).toBe(200)
    expect((await app.inject({ url: '/openapi.json' })).statusCode).toBe(200)
    expectProblem(await app.inject({ url: '/v1/runs' }), { status: 401, code: 'unauthenticated' })
  })
})

describe('a run that is waited for as the database goes', () => {
  it('is answered as it was created, not as one to be tried again, and ends when it is back', async () => {
    simulator.set({ reply: 'Late.', latencyMs: 1500 })
    const asking = user.run({ task: 'Take your time.' }, { prefer: 'wait=1' })
    await eventually(() => simulator.requests.length > 0)
    await proxy.cut()
    const response = await asking
    expect(response.statusCode).toBe(202)
    const { id, status } = response.json()
    expect(status).toBe('pending')
    await proxy.restore()
    await recovered()
    expect(await whenFinished(user, id)).toMatchObject({ status: 'completed', output: { text: 'Late.' } })
  })
})

describe('a channel that is first listened to as the database goes', () => {
  it.each(['in the same moment', 'a moment later'])('is heard when it is back: %s', async (when) => {
    const channel = `first ${when}`
    const heard: (string | null)[] = []
    const gone = proxy.cut()
    if (when === 'a moment later') await gone
    await app.nest.get(Notifications).listen(channel, (payload) => void heard.push(payload))
    await gone
    expect(heard).toEqual([])
    await proxy.restore()
    await eventually(async () => {
      await withClient(database.url, (client) => client.query('SELECT pg_notify($1, $2)', [channel, 'here']))
      return heard.includes('here')
    })
  })
})

describe('when the database goes in the middle of a statement', () => {
  const sleepStatement = { text: 'SELECT pg_sleep(30)' }

  it.each(['cut', 'terminated'])('says unavailable, and the process lives: %s', async (way) => {
    const { requests } = app.nest.get(Database)
    const outcomes = Promise.allSettled([
      requests.read({ tenantId: user.tenantId }, sleepStatement),
      requests.transaction({ tenantId: user.tenantId }, (tx) => tx.query(sleepStatement)),
      // Between two statements: nothing is on the wire.
      requests.transaction({ tenantId: user.tenantId }, async (tx) => {
        await tx.query({ text: 'SELECT 1' })
        await sleep(600)
        return tx.query({ text: 'SELECT 1' })
      }),
    ])
    await sleep(200)
    if (way === 'cut') await proxy.cut()
    else await terminateAppConnections()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AppError', code: 'unavailable' } })
    }
  })

  async function terminateAppConnections(): Promise<void> {
    await withClient(database.url, (client) =>
      client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'temponest-requests'`,
      ),
    )
  }
})

describe('when the network swallows everything', () => {
  it('gives up on a statement soon after its time, and on a connection after its own', async () => {
    proxy.freeze()
    const begun = performance.now()
    await Promise.all([
      expectUnavailable(() => user.request({ url: '/v1/runs' })),
      expectUnavailable(() => user.request({ url: '/v1/auth/me' })),
      expectUnavailable(login),
    ])
    expect(performance.now() - begun).toBeLessThan(STATEMENT_TIMEOUT_MS + 3000)
  })
})

describe('a statement that takes too long', () => {
  it('is stopped by the server after the statement timeout, and is no fault of ours', async () => {
    const { requests } = app.nest.get(Database)
    const begun = performance.now()
    await expect(requests.transaction({}, (tx) => tx.query({ text: 'SELECT pg_sleep(30)' }))).rejects.toMatchObject({
      code: 'unavailable',
    })
    expect(performance.now() - begun).toBeLessThan(STATEMENT_TIMEOUT_MS + 1000)
  })
})

describe('a database that takes no more connections', () => {
  it('is 503, not 500', async () => {
    await setConnectionLimit(0)
    try {
      await withClient(database.url, (client) =>
        client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'temponest-requests'`,
        ),
      )
      await sleep(100)
      await expectUnavailable(() => user.request({ url: '/v1/runs' }))
      await expectUnavailable(login)
    } finally {
      await setConnectionLimit(-1)
    }
  })

  async function setConnectionLimit(limit: number): Promise<void> {
    const name = new URL(database.url).pathname.slice(1)
    await withClient(database.url, (client) => client.query(`ALTER DATABASE ${name} CONNECTION LIMIT ${limit}`))
  }
})
