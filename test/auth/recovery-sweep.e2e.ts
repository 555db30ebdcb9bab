import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { AuthSweep } from '../../src/modules/auth/sessions/auth-sweep.job.js'
import { TestApp } from '../support/test-app.js'
import { TestUser } from '../support/test-user.js'

/** More than one batch. */
const MANY = 1200

let app: TestApp
let user: TestUser

beforeAll(async () => {
  app = await TestApp.start()
  user = await TestUser.register(app)
})
afterAll(async () => app[Symbol.asyncDispose]())

const count = async (table: string): Promise<number> =>
  Number((await app.sql(`SELECT count(*) FROM ${table}`))[0]?.['count'])
const sweep = () => app.nest.get(AuthSweep).sweep()

it('deletes sessions that are over, with their refresh tokens, in all tenants, and no others', async () => {
  const other = await TestUser.register(app)
  for (const { tenantId, userId } of [user, other]) {
    await app.sql(
      `WITH made AS (
         INSERT INTO sessions (tenant_id, id, user_id, created_at, last_used_at, expires_at, ends_at)
         SELECT $1, gen_random_uuid(), $2, now(), now(), now() - interval '1 second', now() + interval '1 day'
           FROM generate_series(1, $3::int) RETURNING tenant_id, id)
       INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, created_at, expires_at)
       SELECT tenant_id, sha256(id::text::bytea), id, now(), now() FROM made`,
      [tenantId, userId, MANY],
    )
  }
  const payload = { refreshToken: user.refreshToken }
  await Promise.all([sweep(), sweep()])
  expect([await count('sessions'), await count('refresh_tokens')]).toEqual([2, 2])
  expect((await app.inject({ method: 'POST', url: '/v1/auth/refresh', payload })).statusCode).toBe(200)
})

it('deletes one-time tokens that have expired, and no others', async () => {
  await app.sql(
    `INSERT INTO one_time_tokens (token_hash, user_id, kind, created_at, expires_at)
     SELECT sha256(n::text::bytea), $1, 'password_reset', now(), now() + (CASE WHEN n = 0 THEN 1 ELSE -1 END) * interval '1 hour'
       FROM generate_series(0, $2::int) n`,
    [user.userId, MANY],
  )
  await sweep()
  expect(await count('one_time_tokens')).toBe(1)
})

it('forgets failed sign-ins after a day, and not before', async () => {
  await app.sql(
    `INSERT INTO login_attempts (email_hash, failures, last_failed_at)
     SELECT sha256(n::text::bytea), 1, now() - (CASE WHEN n = 0 THEN 23 ELSE 25 END) * interval '1 hour'
       FROM generate_series(0, $1::int) n`,
    [MANY],
  )
  await sweep()
  expect(await count('login_attempts')).toBe(1)
})

it('deletes invitations thirty days after their time, and no others', async () => {
  await app.sql(
    `INSERT INTO invitations (tenant_id, id, email, role, token_hash, invited_by, created_at, expires_at, accepted_at)
     SELECT $1, gen_random_uuid(), n || '@example.com', 'member', sha256(n::text::bytea), $2, now(),
            now() - (CASE WHEN n = 0 THEN 29 ELSE 31 END) * interval '1 day', CASE WHEN n % 2 = 0 THEN now() END
       FROM generate_series(0, $3::int) n`,
    [user.tenantId, user.userId, MANY],
  )
  await sweep()
  expect(await count('invitations')).toBe(1)
})

it('deletes refresh tokens thirty days after they were spent, and no others of a live session', async () => {
  const before = await count('refresh_tokens')
  await app.sql(
    `INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, created_at, expires_at, used_at)
     SELECT $1, sha256(('spent' || n)::bytea), (SELECT id FROM sessions WHERE tenant_id = $1), now(), now() + interval '1 day',
            CASE n WHEN 0 THEN NULL WHEN 1 THEN now() - interval '29 days' ELSE now() - interval '31 days' END
       FROM generate_series(0, $2::int) n`,
    [user.tenantId, MANY],
  )
  await sweep()
  expect(await count('refresh_tokens')).toBe(before + 2)
})
