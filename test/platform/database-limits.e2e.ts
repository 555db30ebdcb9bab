import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { DATABASE_APP_URL } from '#platform/database/database.js'
import { expectProblem } from '../support/problem.js'
import { TestApp } from '../support/test-app.js'
import { withClient } from '../support/test-database.js'
import { TestUser } from '../support/test-user.js'

const LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
const LOCK_TIMEOUT_MS = 300
/** What the statement's own limit would have taken. */
const STATEMENT_TIMEOUT_MS = 10_000

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start({ env: { DATABASE_LOCK_TIMEOUT_MS: String(LOCK_TIMEOUT_MS) } })
})
afterAll(async () => app[Symbol.asyncDispose]())

/** What holds for a new session that sets nothing itself. */
function limitsOf(url: string): Promise<unknown[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(`SELECT current_setting(name) AS value FROM unnest($1::text[]) AS name`, [
      LIMITS,
    ])
    return rows.map(({ value }) => value)
  })
}

describe('a lock that somebody keeps', () => {
  it('is waited for no longer than the limit, and then refused in words', async () => {
    const user = await TestUser.register(app)
    const rename = () => user.request({ method: 'PATCH', url: '/v1/auth/me', payload: { name: 'Ada' } })
    await withClient(app.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [user.userId])
      const begunMs = performance.now()
      const refused = await rename()
      expect(performance.now() - begunMs).toBeLessThan(STATEMENT_TIMEOUT_MS / 2)
      expectProblem(refused, { status: 503, code: 'unavailable' })
      expect(refused.json().detail).toContain('did not let go of it in time')
      expect(refused.headers['retry-after']).toBe('2')
      await client.query('ROLLBACK')
    })
    expect((await rename()).statusCode).toBe(200)
  })
})

describe('a session past our code', () => {
  it('is held by the limits of its role, and one of the owner by none', async () => {
    const appUrl = app.nest.get<string>(DATABASE_APP_URL)
    expect(await limitsOf(appUrl)).toEqual(['1min', '10s', '1min'])
    expect(await limitsOf(app.database.url)).toEqual(['0', '0', '0'])
  })

  it('is brought back to them by the next start', async () => {
    const appUrl = app.nest.get<string>(DATABASE_APP_URL)
    const role = decodeURIComponent(new URL(appUrl).username)
    await app.sql(`ALTER ROLE "${role}" SET lock_timeout = '1h'`)
    await app.sql(`ALTER ROLE "${role}" RESET statement_timeout`)
    await using replica = await TestApp.start({ database: app.database })
    expect((await replica.inject({ url: '/health/readiness' })).statusCode).toBe(200)
    expect(await limitsOf(appUrl)).toEqual(['1min', '10s', '1min'])
  })
})
