import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { DatabaseError } from 'pg'
import type { Scope } from '#platform/database/scope.js'
import { findTenancyViolations } from '#platform/database/tenancy-check.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { Probes } from './probes.js'
import { hashOf, makeRow, makeStaleRow, newWorld, scopeOf, TABLES_WITH_FACTORY } from './world.js'

interface Policy {
  readonly name: string
  readonly table: string
  readonly command: 'ALL' | 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'
}

/** Ways to make a policy as wide as it can be: who reads, who writes, both. */
const LOOSENED: Readonly<Record<Policy['command'], readonly string[]>> = {
  ALL: ['USING (true)', 'WITH CHECK (true)', 'USING (true) WITH CHECK (true)'],
  SELECT: ['USING (true)'],
  INSERT: ['WITH CHECK (true)'],
  UPDATE: ['USING (true)', 'WITH CHECK (true)', 'USING (true) WITH CHECK (true)'],
  DELETE: ['USING (true)'],
}

let database: MigratedDatabase
let probes: Probes
let policies: Policy[]

beforeAll(async () => {
  database = await MigratedDatabase.create()
  probes = await Probes.prepare(database)
  // A restrictive one only takes away: there is `audit_search_match`, without which the tests of the search fail.
  policies = await database.rows<Policy>(
    `SELECT policyname AS name, tablename AS table, cmd AS command FROM pg_policies
      WHERE schemaname = 'public' AND permissive = 'PERMISSIVE' ORDER BY 1`,
  )
})
afterAll(async () => {
  await probes[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** Whether the probes find anything once `sql` has made the schema worse. */
function isSeen(sql: string, table: string): Promise<boolean> {
  return database.undone(async () => {
    await database.superuser.query(sql)
    const first = await probes.leaksOf(table).next()
    return first.done !== true
  })
}

describe('the probes', () => {
  it('have a row for every table', async () => {
    expect(await probes.tables()).toEqual(TABLES_WITH_FACTORY)
  })

  it('ask for a factory when a table is added', async () => {
    const probing = database.undone(async () => {
      await database.superuser.query('CREATE TABLE memos (id uuid)')
      for (const table of await probes.tables()) await probes.leaksOf(table).next()
    })
    await expect(probing).rejects.toThrow('add a factory for memos')
  })

  it('get at nothing of another tenant while the policies are as they are', async () => {
    const leaks = await database.undone(async () => {
      const found: string[] = []
      for (const table of await probes.tables()) for await (const leak of probes.leaksOf(table)) found.push(leak)
      return found
    })
    expect(leaks).toEqual([])
  })

  it('see every policy that is loosened, for reading, for writing and for both', async () => {
    const unseen: string[] = []
    let mutations = 0
    for (const { name, table, command } of policies) {
      for (const loosened of LOOSENED[command]) {
        if (!(await isSeen(`ALTER POLICY ${name} ON ${table} ${loosened}`, table))) unseen.push(`${name} ${loosened}`)
        mutations += 1
      }
    }
    expect(unseen).toEqual([])
    expect(mutations).toBeGreaterThan(policies.length)
  })

  it.each(['NO FORCE', 'DISABLE'])('see every table whose row-level security is set to %s', async (change) => {
    const unseen: string[] = []
    for (const table of await probes.tables()) {
      if (!(await isSeen(`ALTER TABLE ${table} ${change} ROW LEVEL SECURITY`, table))) unseen.push(table)
    }
    expect(unseen).toEqual([])
  })
})

describe('a user of two tenants', () => {
  it('sees in one of them nothing of the other but its name, that he belongs there and where he is signed in', async () => {
    const seen = await database.undone(async () => {
      const colleague = newWorld()
      const away = newWorld({ tenantId: colleague.tenantId, userId: probes.mine.userId })
      for (const table of TABLES_WITH_FACTORY) await probes.insert(table, makeRow(table, colleague))
      for (const table of ['memberships', 'sessions', 'api_keys']) await probes.insert(table, makeRow(table, away))
      const rows: string[] = []
      for (const table of await probes.tables()) {
        const owners = [colleague.tenantId, colleague.userId, colleague.hash.toString('hex')].map(
          (owner) => `'%${owner}%'`,
        )
        const sql = `SELECT 1 FROM ${table} AS t WHERE to_jsonb(t)::text LIKE ANY (ARRAY[${owners.join()}])`
        rows.push(`${table} ${await probes.reach(scopeOf(probes.mine), sql)}`)
      }
      return rows
    })
    expect(seen.filter((row) => !row.endsWith(' 0')).sort()).toEqual(['memberships 1', 'sessions 1', 'tenants 1'])
  })
})

describe('a policy that is dropped', () => {
  it('is missed, by the catalogue check or by who needs it', async () => {
    const { mine } = probes
    const own = scopeOf(mine)
    /** What each policy is for that the catalogue check does not know of: a statement that meets rows, thanks to it. */
    const uses: Readonly<Record<string, readonly [Scope, string]>> = {
      api_keys_presented: [{ presentedHash: mine.hash }, 'SELECT 1 FROM api_keys'],
      approvals_sweep: [{ purpose: 'approvals.sweep' }, 'SELECT 1 FROM approvals'],
      budget_alerts_announcing: [{ purpose: 'budgets.alerts' }, 'SELECT 1 FROM budget_alerts'],
      budget_reservations_sweep: [{ purpose: 'budgets.sweep' }, 'SELECT 1 FROM budget_reservations'],
      cost_tail_rollup: [{ purpose: 'costs.rollup' }, 'SELECT 1 FROM cost_tail'],
      credentials_self: [{ userId: mine.userId }, 'SELECT 1 FROM credentials'],
      credentials_sign_in: [{ signInEmail: mine.email }, 'SELECT 1 FROM credentials'],
      idempotency_keys_sweep: [{ purpose: 'idempotency.sweep' }, 'DELETE FROM idempotency_keys'],
      idempotency_keys_sweep_read: [{ purpose: 'idempotency.sweep' }, 'SELECT 1 FROM idempotency_keys'],
      invitations_presented: [{ presentedHash: mine.hash }, 'SELECT 1 FROM invitations'],
      invitations_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM invitations'],
      invitations_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM invitations'],
      kept_answers_sweep: [{ purpose: 'kept-answers.sweep' }, 'DELETE FROM kept_answers'],
      kept_answers_sweep_read: [{ purpose: 'kept-answers.sweep' }, 'SELECT 1 FROM kept_answers'],
      login_attempts_presented: [{ presentedHash: mine.hash }, 'UPDATE login_attempts SET failures = 2'],
      login_attempts_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM login_attempts'],
      login_attempts_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM login_attempts'],
      memberships_self: [{ userId: mine.userId }, 'SELECT 1 FROM memberships'],
      one_time_tokens_presented: [{ presentedHash: mine.hash }, 'SELECT 1 FROM one_time_tokens'],
      one_time_tokens_self: [{ userId: mine.userId }, 'UPDATE one_time_tokens SET used_at = now()'],
      one_time_tokens_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM one_time_tokens'],
      one_time_tokens_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM one_time_tokens'],
      pending_registrations_address: [{ presentedHash: mine.hash }, 'DELETE FROM pending_registrations'],
      pending_registrations_presented: [{ presentedHash: hashOf(mine.hash) }, 'SELECT 1 FROM pending_registrations'],
      pending_registrations_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM pending_registrations'],
      pending_registrations_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM pending_registrations'],
      refresh_tokens_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM refresh_tokens'],
      refresh_tokens_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM refresh_tokens'],
      runs_sweep: [{ purpose: 'runs.sweep' }, 'SELECT 1 FROM runs'],
      scheduled_tasks_dispatch: [{ purpose: 'scheduler.dispatch' }, 'SELECT 1 FROM scheduled_tasks'],
      sessions_self_end: [{ userId: mine.userId }, 'UPDATE sessions SET revoked_at = now()'],
      sessions_self_read: [{ userId: mine.userId }, 'SELECT 1 FROM sessions'],
      sessions_sweep: [{ purpose: 'auth.sweep' }, 'DELETE FROM sessions'],
      sessions_sweep_read: [{ purpose: 'auth.sweep' }, 'SELECT 1 FROM sessions'],
      tenants_member: [{ userId: mine.userId }, 'SELECT 1 FROM tenants'],
      tenants_own: [{ tenantId: mine.tenantId }, 'SELECT 1 FROM tenants'],
      users_colleagues: [{ tenantId: mine.tenantId }, 'SELECT 1 FROM users'],
      users_self: [own, 'UPDATE users SET name = NULL'],
      task_executions_dispatch: [{ purpose: 'scheduler.dispatch' }, 'SELECT 1 FROM task_executions'],
      task_executions_retention: [{ purpose: 'scheduler.retention' }, 'DELETE FROM task_executions'],
      task_executions_retention_read: [{ purpose: 'scheduler.retention' }, 'SELECT 1 FROM task_executions'],
      webhook_deliveries_dispatch: [{ purpose: 'webhooks.dispatch' }, 'SELECT 1 FROM webhook_deliveries'],
      webhook_messages_retention: [{ purpose: 'webhooks.retention' }, 'DELETE FROM webhook_messages'],
      webhook_messages_retention_read: [{ purpose: 'webhooks.retention' }, 'SELECT 1 FROM webhook_messages'],
      webhook_replays_open: [{ purpose: 'webhooks.replay' }, 'SELECT 1 FROM webhook_replays'],
      users_sign_in: [{ signInEmail: mine.email }, 'SELECT 1 FROM users'],
    }
    const unmissed: string[] = []
    for (const { name, table } of policies) {
      await database.undone(async () => {
        await database.superuser.query('SET LOCAL session_replication_role = replica')
        await probes.insert(table, makeStaleRow(table, newWorld()))
        await database.superuser.query(`SAVEPOINT intact; DROP POLICY ${name} ON ${table}`)
        if ((await findTenancyViolations(database.superuser, database.appRoleName)).length > 0) return
        const [scope, sql] = uses[name] ?? []
        if (!scope || !sql) throw new Error(`say what ${name} is for, in test/tenancy/mutations.e2e.ts`)
        const without = await reach(scope, sql)
        await database.superuser.query('ROLLBACK TO intact')
        if ((await reach(scope, sql)) === 0 || without > 0) unmissed.push(name)
      })
    }
    expect(unmissed).toEqual([])
  })

  async function reach(scope: Scope, sql: string): Promise<number> {
    return probes.reach(scope, sql).catch((error: unknown) => {
      if (error instanceof DatabaseError && /row-level security/.test(error.message)) return 0
      throw error
    })
  }
})
