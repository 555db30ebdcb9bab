import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Client, DatabaseError } from 'pg'
import { newId } from '#kernel/ids.js'
import { MigratedDatabase } from '../support/migrated-database.js'

const NIGHT = new Date('2026-03-15T23:59:59.990Z')
const MORNING = new Date('2026-03-16T00:00:00.010Z')

let database: MigratedDatabase
let tenantId: string
let runId: string

beforeAll(async () => {
  database = await MigratedDatabase.create()
})
beforeEach(async () => {
  tenantId = newId()
  runId = newId()
  await database.rows(`INSERT INTO tenants (id, name, created_at) VALUES ($1, 'A team', now())`, [tenantId])
  await database.rows(
    `INSERT INTO runs (tenant_id, id, root_run_id, agent, agent_version, status, task, model, input, created_at)
     VALUES ($1, $2, $2, 'developer', 1, 'running', 'x', 'a/b', '{}', now())`,
    [tenantId, runId],
  )
})
afterAll(() => database?.[Symbol.asyncDispose]())

/** @returns its id */
async function addBudget({ limitUsd = '10', period = 'day', isHard = true } = {}): Promise<string> {
  const id = newId()
  await database.rows(
    `INSERT INTO budgets (tenant_id, id, scope, target, period, limit_usd, alert_percents, is_hard, counted_from, created_at, updated_at)
     VALUES ($1, $2, 'tenant', '', $3, $4, '{50,100}', $5, $6, $6, $6)`,
    [tenantId, id, period, limitUsd, isHard, NIGHT],
  )
  return id
}

const RESERVE = `SELECT reserve_budgets($1, $2, 1, NULL, 'developer', NULL, $3, 0, 0, 0, $4) AS granted`

/** Output tokens that are paid for; `refused` where there is no room. */
async function reserve(usd: string, moment: Date, on: Pick<Client, 'query'> = database.superuser): Promise<unknown> {
  try {
    return (await on.query(RESERVE, [tenantId, newId(), usd, moment])).rows[0]?.granted
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'TN402') return 'refused'
    throw error
  }
}

async function book(usd: string, createdAt: Date): Promise<void> {
  await database.rows(
    `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens,
       reasoning_tokens, cost_usd, created_at, step, is_estimated)
     VALUES ($1, $2, $3, 'developer', 'a/b', 1, 0, 1, 0, $4, $5, 1, false)`,
    [tenantId, newId(), runId, usd, createdAt],
  )
}

describe('what is reserved', () => {
  it('counts in the next period, in which it may be booked', async () => {
    await addBudget()
    expect(await reserve('10', NIGHT)).not.toBe('refused')
    expect(await reserve('1', MORNING)).toBe('refused')
  })

  it('counts also for who is behind the time', async () => {
    await addBudget()
    expect(await reserve('10', MORNING)).not.toBe('refused')
    expect(await reserve('1', NIGHT)).toBe('refused')
  })

  it('caps nothing where no hard budget counts it', async () => {
    await addBudget({ isHard: false })
    expect(await reserve('100', NIGHT)).toBeNull()
  })
})

describe('another clock', () => {
  it('lets nobody through who has waited for it', async () => {
    await addBudget()
    await book('10', NIGHT)
    await using waiting = await connect()
    await database.rows('BEGIN')
    await database.rows(
      `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, 'Asia/Kolkata', 'allow', now())`,
      [tenantId],
    )
    await database.rows('SELECT recount_budgets($1, $2)', [tenantId, NIGHT])
    const granted = reserve('5', NIGHT, waiting.client)
    await waiting.isWaiting()
    await database.rows('COMMIT')
    expect(await granted).toBe('refused')
  })

  it('counts all budgets in their new periods, and takes along what is reserved and what was told', async () => {
    const [day, total] = [await addBudget({ limitUsd: '20' }), await addBudget({ limitUsd: '100', period: 'total' })]
    await book('11', new Date('2026-03-15T20:00:00Z'))
    await book('1', new Date('2026-03-15T18:00:00Z'))
    await reserve('2', NIGHT)
    const told = () =>
      database.rows<{ percent: number }>(
        'SELECT DISTINCT kind, percent FROM budget_alerts WHERE tenant_id = $1 AND budget_id = $2',
        [tenantId, day],
      )
    expect(await told()).toEqual([{ kind: 'threshold', percent: 50 }])
    await database.rows('UPDATE budget_alerts SET announced_at = now() WHERE tenant_id = $1', [tenantId])
    await database.rows(
      `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, 'Asia/Kolkata', 'allow', now())`,
      [tenantId],
    )
    await database.rows('SELECT recount_budgets($1, $2)', [tenantId, NIGHT])
    // In Kolkata it is the 16th since 18:30.
    const rows = await database.rows(
      `SELECT budget_id, period_start, trim_scale(spent_usd)::text AS spent, trim_scale(reserved_usd)::text AS reserved
         FROM budget_periods WHERE tenant_id = $1 AND (spent_usd, reserved_usd) <> (0, 0) ORDER BY period_start`,
      [tenantId],
    )
    expect(rows).toEqual([
      { budget_id: total, period_start: new Date(0), spent: '12', reserved: '2' },
      { budget_id: day, period_start: new Date('2026-03-15T18:30:00Z'), spent: '11', reserved: '2' },
    ])
    await book('0.5', NIGHT)
    const unannounced = await database.rows(
      'SELECT kind FROM budget_alerts WHERE tenant_id = $1 AND budget_id = $2 AND announced_at IS NULL',
      [tenantId, day],
    )
    expect(unannounced).toEqual([])
  })
})

it('two who count while the first budget is made do not wait for each other', async () => {
  await using first = await connect()
  await using second = await connect()
  const entries = `INSERT INTO cost_tracking (tenant_id, id, run_id, agent, model, input_tokens, cached_input_tokens, output_tokens,
      reasoning_tokens, cost_usd, created_at, step, is_estimated)
    SELECT '${tenantId}', gen_random_uuid(), '${runId}', 'developer', 'a/b', 1, 0, 1, 0, 1, now(), 1, false FROM generate_series(1, 3)`
  for (const { client } of [first, second]) {
    await client.query('BEGIN')
    await client.query(entries)
  }
  await database.rows('BEGIN')
  await database.rows(
    `INSERT INTO budgets (tenant_id, id, scope, target, period, limit_usd, alert_percents, is_hard, created_at, updated_at)
     VALUES ($1, $2, 'tenant', '', 'total', 100, '{50}', true, now(), now())`,
    [tenantId, newId()],
  )
  await database.rows('SET CONSTRAINTS ALL IMMEDIATE')
  // Neither has seen the budget when it begins to count.
  const commits = [first, second].map(({ client }) => client.query('COMMIT'))
  await Promise.all([first.isWaiting(), second.isWaiting()])
  await database.rows('COMMIT')
  await Promise.all(commits)
  const [counted] = await database.rows('SELECT spent_usd::integer AS spent FROM budget_periods WHERE tenant_id = $1', [
    tenantId,
  ])
  expect(counted).toEqual({ spent: 6 })
})

/** A connection of its own, and whether it waits for a lock. */
async function connect() {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const [row] = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows
  return {
    client,
    isWaiting: async (): Promise<void> => {
      const ask = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = $2'
      while ((await database.superuser.query(ask, [row?.pid, 'Lock'])).rows.length === 0);
    },
    [Symbol.asyncDispose]: () => client.end(),
  }
}
