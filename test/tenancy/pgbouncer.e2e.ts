import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { Client } from 'pg'
import { AppConfig } from '#platform/config/app-config.js'
import { ConnectionPool } from '#platform/database/connection-pool.js'
import { provisionDatabase } from '#platform/database/provision.js'
import { PgBouncer } from '../support/pgbouncer.js'
import { TEST_JWT_SECRET, TestApp } from '../support/test-app.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'
import { expectNoForeignRow } from './foreign-rows.js'
import { interleave, makeTenants } from './interleaving.js'

jest.setTimeout(240_000)

const REQUESTS = 10_000
const TENANTS = 50
/** More clients than connections to the server, so that each transaction gets what another has just let go of. */
const CLIENTS = 12
const SERVER_CONNECTIONS = 4

let database: TestDatabase
let appUrl: string
let bouncer: PgBouncer

beforeAll(async () => {
  database = await createTestDatabase()
  const role = `${new URL(database.url).pathname.slice(1)}_app`
  await withClient(database.url, (client) => client.query(`CREATE ROLE ${role} LOGIN NOINHERIT PASSWORD 'pooled'`))
  appUrl = Object.assign(new URL(database.url), { username: role, password: 'pooled' }).href
  bouncer = await PgBouncer.start({ url: appUrl, poolSize: SERVER_CONNECTIONS })
})
afterAll(async () => {
  await bouncer?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

function settings(): Record<string, string> {
  return {
    DATABASE_URL: database.url,
    DATABASE_APP_URL: appUrl,
    DATABASE_POOLER_URL: bouncer.through(database.url),
    DATABASE_PREPARED_STATEMENTS: 'false',
    DATABASE_POOL_SIZE: String(CLIENTS),
    DATABASE_WORKER_POOL_SIZE: '4',
  }
}

describe('behind PgBouncer in transaction mode', () => {
  it(`${REQUESTS} interleaved requests of ${TENANTS} tenants on ${SERVER_CONNECTIONS} connections get no foreign row`, async () => {
    await using app = await TestApp.start({ database, env: settings() })
    const baseUrl = await app.listen()
    const tenants = await makeTenants(app, TENANTS)
    const before = await transactions()
    const result = await interleave(app, { tenants, count: REQUESTS, baseUrl })
    await expectNoForeignRow(app, result, REQUESTS)
    expect((await transactions()) - before).toBeGreaterThan(REQUESTS / 2)
  })

  it('a run is worked on and waited for as ever: wake-ups and notifications go past the pooler', async () => {
    await using app = await TestApp.start({ database, env: settings() })
    const [tenant] = await makeTenants(app, 1)
    const run = await tenant!.user.run({ task: 'Say hello.' })
    expect(run.json()).toMatchObject({ status: 'completed' })
  })

  describe('a pool', () => {
    let pool: ConnectionPool

    beforeAll(async () => {
      pool = new ConnectionPool({
        url: bouncer.through(appUrl),
        name: 'test',
        size: 2,
        connectTimeoutMs: 5000,
        statementTimeoutMs: 100,
        lockTimeoutMs: 100,
        answerTimeoutMs: 5000,
        preparedStatements: false,
      })
      await pool.open()
    })
    afterAll(() => pool.close())

    it('has its statements stopped in time, though the pooler knows nothing of it', async () => {
      const unavailable = { code: 'unavailable', cause: { code: '57014' } }
      const sleeping = { text: 'SELECT pg_sleep(60)' }
      await expect(pool.read({}, sleeping)).rejects.toMatchObject(unavailable)
      await expect(pool.transaction({}, (tx) => tx.query(sleeping))).rejects.toMatchObject(unavailable)
    })

    it('leaves no setting behind on the connection that the next client gets', async () => {
      const tenantId = '01890000-0000-7000-8000-000000000000'
      await pool.transaction({ tenantId }, (tx) => tx.query({ text: 'SELECT 1' }))
      await pool.read({ tenantId }, { text: 'SELECT 1' })
      await pool.transaction({ tenantId }, (tx) => tx.query({ text: 'SELECT 1 / 0' })).catch(() => undefined)
      await withClient(bouncer.through(appUrl), async (client) => {
        for (let look = 0; look < SERVER_CONNECTIONS * 2; look++) {
          const { rows } = await client.query(
            `SELECT current_setting('app.current_tenant', true) AS tenant, current_setting('statement_timeout') AS timeout`,
          )
          expect(rows[0]?.tenant || null).toBeNull()
          expect(rows[0]?.timeout).toBe('0')
        }
      })
    })
  })

  it('prepared statements would meet those of other clients, which is what the setting is for', async () => {
    const pools = [1, 2].map(
      (size) =>
        new ConnectionPool({
          url: bouncer.through(appUrl),
          name: 'test',
          size,
          connectTimeoutMs: 5000,
          statementTimeoutMs: 5000,
          lockTimeoutMs: 5000,
          answerTimeoutMs: 5000,
          preparedStatements: true,
        }),
    )
    try {
      for (const pool of pools) await pool.open()
      const reads = []
      for (const pool of pools)
        reads.push(await pool.read({}, { text: 'SELECT 1' }).catch((error: Error) => error.message))
      expect(reads).toContainEqual('prepared statement "set_scope" already exists')
    } finally {
      for (const pool of pools) await pool.close()
    }
  })

  it('the pooler is the strict one that it is meant to be: it refuses what only a connection of our own would carry', async () => {
    const client = new Client({ connectionString: bouncer.through(appUrl), statement_timeout: 1000 })
    await expect(client.connect()).rejects.toThrow('unsupported startup parameter: statement_timeout')
  })
})

describe('a start', () => {
  const provision = (env: Record<string, string>) =>
    provisionDatabase(AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET: TEST_JWT_SECRET, ...settings(), ...env }))

  it('is refused when the pooler leads to another database', async () => {
    await using other = await createTestDatabase()
    await expect(provision({ DATABASE_POOLER_URL: bouncer.through(other.url) })).rejects.toThrow(
      /^DATABASE_POOLER_URL: cannot serve as the role \w+: the pooler leads to another database$/,
    )
  })

  it('is refused when nothing listens there', async () => {
    await expect(provision({ DATABASE_POOLER_URL: 'postgres://127.0.0.1:1/nowhere' })).rejects.toThrow(
      /^DATABASE_POOLER_URL: cannot serve as the role \w+: .*connect ECONNREFUSED/,
    )
  })
})

async function transactions(): Promise<number> {
  return (await bouncer.transactions()).get(new URL(database.url).pathname.slice(1)) ?? 0
}
