import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { ConnectionPool } from '#platform/database/connection-pool.js'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const TENANTS = 20
const OPERATIONS = 2000
const POOL_SIZE = 4

describe('tenancy', () => {
  let app: TestApp
  let appUrl: string
  let users: TestUser[]
  let pool: ConnectionPool

  beforeAll(async () => {
    app = await TestApp.start()
    appUrl = app.nest.get(DATABASE_APP_URL)
    users = await Promise.all(Array.from({ length: TENANTS }, () => TestUser.register(app)))
    await Promise.all(users.map((user) => user.run({ task: `Secret of ${user.tenantId}` })))
    pool = new ConnectionPool({
      url: appUrl,
      name: 'test',
      size: POOL_SIZE,
      connectTimeoutMs: 5000,
      statementTimeoutMs: 5000,
      answerTimeoutMs: 10_000,
      preparedStatements: true,
    })
    await pool.open()
  })
  afterAll(async () => {
    await pool.close()
    await app[Symbol.asyncDispose]()
  })

  it('hides the runs of others, word for word as if they never were', async () => {
    const [mine, theirs] = [users[0]!, users[1]!]
    const { id } = (await theirs.request({ method: 'GET', url: '/v1/runs' })).json().data[0]
    const answers = await Promise.all(
      [id, newId()].map((runId) => mine.request({ method: 'GET', url: `/v1/runs/${runId}` })),
    )
    const [foreign, unknown] = answers.map((response) => {
      const { requestId: _, instance: __, ...problem } = response.json()
      return { status: response.statusCode, problem }
    })
    expect(foreign).toMatchObject({ status: 404, problem: { code: 'not_found' } })
    expect(foreign).toEqual(unknown)
    const list = (await mine.request({ method: 'GET', url: '/v1/runs' })).json()
    expect(list.data.map((run: { task: string }) => run.task)).toEqual([`Secret of ${mine.tenantId}`])
    expect((await mine.request({ method: 'GET', url: `/v1/runs/count?parentRunId=${id}` })).json()).toEqual({
      count: 0,
    })
  })

  it('is served by a role that is no superuser, bypasses nothing and owns nothing', async () => {
    const rows = await withClient(appUrl, async (client) => {
      const { rows: found } = await client.query(
        `SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
                (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned
           FROM pg_roles r WHERE rolname = current_user`,
      )
      return found
    })
    expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, owned: 0 }])
  })

  it('is forced on every table, with a policy for reading and for writing', async () => {
    const tables = await app.sql(
      `SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,
              EXISTS (SELECT 1 FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname
                         AND p.cmd = 'ALL' AND p.qual IS NOT NULL AND p.with_check IS NOT NULL) AS guarded
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname <> 'schema_migrations'`,
    )
    expect(tables.length).toBeGreaterThan(5)
    expect(tables.filter(({ forced, guarded }) => !forced || !guarded)).toEqual([])
  })

  it('shows a connection that names no tenant no row of any table', async () => {
    const tables = await app.sql(`SELECT DISTINCT table_name AS name FROM information_schema.table_privileges
      WHERE table_schema = 'public' AND privilege_type = 'SELECT' AND grantee LIKE '%\\_app'`)
    expect(tables.length).toBeGreaterThan(5)
    await withClient(appUrl, async (client) => {
      for (const { name } of tables) {
        const { rows } = await client.query(
          `SELECT count(*)::int AS count FROM ${client.escapeIdentifier(String(name))}`,
        )
        expect([name, rows[0]?.count]).toEqual([name, 0])
      }
    })
  })

  it('refuses to write a row of another tenant', async () => {
    const [mine, theirs] = [users[0]!, users[1]!]
    const insert = pool.transaction({ tenantId: mine.tenantId }, (tx) =>
      tx.execute({
        text: `INSERT INTO projects (tenant_id, id, slug, name, created_at, updated_at) VALUES ($1, $2, 'x', 'x', now(), now())`,
        values: [theirs.tenantId, newId()],
      }),
    )
    await expect(insert).rejects.toThrow(/row-level security/)
  })

  it(`gives ${OPERATIONS} interleaved operations of ${TENANTS} tenants on ${POOL_SIZE} connections no foreign row`, async () => {
    let failures = 0
    const operate = async (index: number): Promise<void> => {
      const { tenantId } = users[index % TENANTS]!
      const statement = { name: 'test_runs', text: 'SELECT tenant_id FROM runs' }
      switch (index % 5) {
        case 0: {
          await expect(pool.read({ tenantId }, { text: 'SELECT tenant_id, 1 / 0 FROM runs' })).rejects.toThrow(/zero/)
          failures += 1
          return
        }
        case 1: {
          const failing = pool.transaction({ tenantId }, async (tx) => {
            await tx.query(statement)
            throw new Error('in the middle')
          })
          await expect(failing).rejects.toThrow('in the middle')
          failures += 1
          return
        }
        case 2:
          return expect(pool.transaction({ tenantId }, (tx) => tx.query(statement))).resolves.toEqual([
            { tenant_id: tenantId },
          ])
        case 3:
          return expect(pool.read({}, statement)).resolves.toEqual([])
        default:
          return expect(pool.read({ tenantId }, statement)).resolves.toEqual([{ tenant_id: tenantId }])
      }
    }
    await Promise.all(Array.from({ length: OPERATIONS }, (_, index) => operate(index)))
    expect(failures).toBe((OPERATIONS / 5) * 2)
  })

  it('does not take a rolled-back COMMIT for a commit', async () => {
    let hooked = false
    const swallowing = pool.transaction({}, async (tx) => {
      tx.afterCommit(() => (hooked = true))
      await tx.query({ text: 'SELECT 1 / 0' }).catch(() => undefined)
    })
    await expect(swallowing).rejects.toThrow('rolled back')
    expect(hooked).toBe(false)
    await pool.transaction({}, async (tx) => tx.afterCommit(() => (hooked = true)))
    expect(hooked).toBe(true)
  })
})
