import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { ConnectionPool } from '#platform/database/connection-pool.js'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const TENANTS = 2
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
      lockTimeoutMs: 5000,
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
