import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { AppHome, type Exit, PRODUCTION } from '../support/app-process.js'
import { HttpUser } from '../support/http-user.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'

jest.setTimeout(60_000)

let home: AppHome
let database: TestDatabase

beforeEach(async () => {
  home = await AppHome.create()
  database = await createTestDatabase()
})
afterEach(async () => {
  await home[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

function migrate(args: readonly string[], env: Record<string, string> = { DATABASE_URL: database.url }): Promise<Exit> {
  return home.run(['dist/platform/database/migrate.js', ...args], env).exit()
}

async function tables(): Promise<string[]> {
  return withClient(database.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_name <> 'schema_migrations' ORDER BY 1`,
    )
    return rows.map(({ name }) => name)
  })
}

describe('migrate', () => {
  it('brings an empty database up to date, a second time changes nothing, and goes down and up again', async () => {
    const { host, pathname } = new URL(database.url)
    const upToDate = { code: 0, stdout: `temponest: up to date: PostgreSQL at ${host}${pathname}\n`, stderr: '' }
    expect(await migrate([])).toMatchObject(upToDate)
    const all = await tables()
    expect(all).toEqual(expect.arrayContaining(['runs', 'cost_tracking', 'users']))
    expect(await migrate(['up'])).toMatchObject(upToDate)

    for (
      let undone = await migrate(['down']);
      !undone.stdout.includes('no migration');
      undone = await migrate(['down'])
    ) {
      expect(undone).toMatchObject({ code: 0, stdout: 'temponest: undid the newest migration\n', stderr: '' })
    }
    expect(await tables()).toEqual([])
    expect(await migrate(['up'])).toMatchObject(upToDate)
    expect(await tables()).toEqual(all)
  })

  it('says which migrations are not its own, hence that it could not hold the schema to all rules, and so does a start', async () => {
    await migrate([])
    await withClient(database.url, (client) =>
      client.query(
        `INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, 'of-tomorrow-9999999999999')`,
      ),
    )
    expect(await migrate([])).toMatchObject({
      code: 0,
      stderr: "temponest: tenancy_check_skipped: of-tomorrow-9999999999999: not this version's migrations\n",
    })
    const app = home.start({ ...PRODUCTION, DATABASE_URL: database.url })
    await app.until(() => app.stdout.includes('"event":"tenancy_check_skipped"'), 30_000)
    expect(app.stdout).toContain('"unknownMigrations":["of-tomorrow-9999999999999"]')
  })

  it('refuses a direction that it does not know, before it touches anything', async () => {
    expect(await migrate(['sideways'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'temponest: unknown direction sideways: up or down\n',
    })
    expect(await tables()).toEqual([])
  })

  it('says in one line that it cannot reach the database', async () => {
    const { code, stderr } = await migrate(['up'], { DATABASE_URL: 'postgres://a:topsecret@127.0.0.1:1/x' })
    expect(code).toBe(1)
    expect(stderr).toBe('temponest: DATABASE_URL: cannot use 127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1\n')
  })

  it('starts and stops the embedded PostgreSQL for it', async () => {
    expect(await migrate(['up'], {})).toMatchObject({ code: 0, stderr: '' })
    expect(await home.postgresIsGone()).toBe(true)
    expect(await migrate(['down'], {})).toMatchObject({ code: 0, stdout: 'temponest: undid the newest migration\n' })
    expect(await home.postgresIsGone()).toBe(true)
    const app = home.start()
    await HttpUser.register(await app.ready())
  })

  it('leaves the embedded database of a running server alone', async () => {
    const app = home.start()
    const url = await app.ready()
    expect(await migrate(['down'], {})).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('another TempoNest is running'),
    })
    await HttpUser.register(url)
  })
})
