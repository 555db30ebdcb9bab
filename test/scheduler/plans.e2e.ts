import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { ExecutionsRepository } from '../../src/modules/scheduler/executions/executions.repository.js'
import { ReadySchedulesRepository } from '../../src/modules/scheduler/firing/ready-schedules.repository.js'
import { RunEndsRepository } from '../../src/modules/scheduler/firing/run-ends.repository.js'
import { TurnWritesRepository } from '../../src/modules/scheduler/firing/turn-writes.repository.js'
import { TurnsRepository } from '../../src/modules/scheduler/firing/turns.repository.js'
import { ExecutionRetentionRepository } from '../../src/modules/scheduler/retention/execution-retention.repository.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { RecordedDatabase, type RecordedStatement } from '../support/recorded-database.js'
import { scansOf } from '../support/table-scans.js'

const TENANTS = 200
/** Half of all schedules are one tenant's. */
const SCHEDULES = 20_000
const EXECUTIONS = 100_000
/** Of these, those of the one schedule that fires every minute. */
const EXECUTIONS_OF_BUSIEST = 20_000
const DUE = 40
const UNCOUNTED = 20
const LOOK = { limit: 1000, aheadMs: 1000, except: { ids: [], tenants: [] } }

let database: MigratedDatabase
let tenantId: string
let scheduleIds: string[]
let runId: string
const recorded = new RecordedDatabase()

beforeAll(async () => {
  database = await MigratedDatabase.create()
  const { superuser } = database
  const tenants = Array.from({ length: TENANTS }, newId)
  tenantId = tenants[0]!
  await superuser.query(`INSERT INTO tenants (id, name, created_at) SELECT unnest($1::uuid[]), 'x', now()`, [tenants])
  // One in five is paused; the next of the others is due tomorrow, but for the few that are due now.
  await superuser.query(
    `INSERT INTO scheduled_tasks (tenant_id, id, name, agent, task, input, cron, timezone, anchor_at, overlap, catch_up_seconds,
       jitter_seconds, is_active, cursor_at, next_nominal_at, next_run_at, tz_version, user_id, created_at, updated_at)
     SELECT ($1::uuid[])[CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % $2::integer END], uuid_at(now() - n * interval '1 s'), 'x', 'x', 'x', '{}',
            '@daily', 'UTC', now(), 'skip', 0, 0, n % 5 > 0, now(), due, due, CASE WHEN n % 1000 = 1 THEN '2000a' ELSE '2026a' END,
            $1[1], now(), now()
       FROM generate_series(0, $3::integer - 1) AS n,
            LATERAL (SELECT CASE WHEN n % 5 > 0 THEN date_trunc('milliseconds', now()) + CASE WHEN n < $4::integer * 5 / 4 THEN interval '-1 s'
                                ELSE interval '1 day' + n * interval '1 s' END END AS due) AS d`,
    [tenants, TENANTS, SCHEDULES, DUE],
  )
  await superuser.query(
    `CREATE TEMP TABLE planted AS
     SELECT tenant_id, id AS schedule_id, uuid_at(now()) AS id, uuid_at(now()) AS run_id, n, now() - n * interval '1 minute' AS due,
            row_number() OVER () AS nth
       FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM scheduled_tasks) AS s,
            LATERAL generate_series(1, CASE WHEN place = 1 THEN $1::integer ELSE $2::integer / $3::integer END) AS n`,
    [EXECUTIONS_OF_BUSIEST, EXECUTIONS - EXECUTIONS_OF_BUSIEST, SCHEDULES],
  )
  await superuser.query(
    `INSERT INTO runs (tenant_id, id, root_run_id, schedule_id, agent, agent_version, status, task, model, input, created_at)
     SELECT tenant_id, run_id, run_id, schedule_id, 'developer', 1, 'completed', 'x', 'x', '{}', due FROM planted WHERE nth % 5 = 0`,
  )
  await superuser.query(
    `INSERT INTO task_executions (tenant_id, id, schedule_id, trigger, nominal_at, due_at, fired_at, status, run_id, queued_since,
       is_uncounted, created_at, finished_at)
     SELECT tenant_id, id, schedule_id, 'schedule', due, due, due,
            CASE WHEN nth % 500 = 0 THEN 'running' WHEN nth % 100 = 1 THEN 'missed' ELSE 'completed' END,
            CASE WHEN nth % 5 = 0 AND nth % 1000 > 0 THEN run_id END, CASE WHEN nth % 1000 = 0 THEN due END,
            nth % ($1::integer / $2::integer) = 2, due, CASE WHEN nth % 500 > 0 THEN due END
       FROM planted`,
    [EXECUTIONS, UNCOUNTED],
  )
  await superuser.query('ANALYZE')
  const schedules = await database.rows<{ id: string }>(
    `SELECT id FROM scheduled_tasks WHERE tenant_id = $1 AND next_run_at < now() ORDER BY id LIMIT 20`,
    [tenantId],
  )
  scheduleIds = schedules.map(({ id }) => id)
  const runs = await database.rows<{ id: string }>('SELECT id FROM runs WHERE tenant_id = $1 LIMIT 1', [tenantId])
  runId = runs[0]!.id
})
afterAll(async () => database[Symbol.asyncDispose]())

const tx = () => recorded.tx({ tenantId })

async function dueAt(): Promise<Date> {
  const sql = 'SELECT next_run_at AS "dueAt" FROM scheduled_tasks WHERE id = $1'
  const [row] = await database.rows<{ dueAt: Date }>(sql, [scheduleIds[0]])
  return row!.dueAt
}

async function expectIndexes(statements: readonly RecordedStatement[], tables: Record<string, RegExp>): Promise<void> {
  expect(statements).not.toEqual([])
  for (const statement of statements) {
    // What is not prepared is planned for its values each time.
    for (const mode of statement.name === null ? (['once'] as const) : (['once', 'ever'] as const)) {
      const scans = await scansOf(database, statement, mode)
      expect({ mode, text: statement.text, whole: scans.filter(({ index }) => index === null) }).toMatchObject({
        whole: [],
      })
      for (const { table, index } of scans) if (tables[table]) expect(index).toMatch(tables[table])
    }
  }
}

it('a look at all tenants reads what is due, and what is to be taken note of, and nothing else', async () => {
  const [look] = await recorded.during(() => new ReadySchedulesRepository(recorded.database).look(LOOK))
  const scans = await scansOf(database, look!, 'once')
  expect(scans).toEqual([
    { table: 'scheduled_tasks', index: 'idx_scheduled_tasks_ready_to_run', rows: DUE },
    { table: 'task_executions', index: 'idx_task_executions_uncounted', rows: UNCOUNTED },
    { table: 'scheduled_tasks', index: 'idx_scheduled_tasks_woken', rows: 0 },
  ])
  const ever = await scansOf(database, look!, 'ever')
  expect(ever.map(({ index }) => index)).toEqual([
    'idx_scheduled_tasks_ready_to_run',
    'idx_task_executions_uncounted',
    'idx_scheduled_tasks_woken',
  ])
})

it('a crowd is read along its due time', async () => {
  const ask = { dueAt: await dueAt(), except: scheduleIds.slice(0, 3), limit: 300 }
  const [crowd] = await recorded.during(() => new ReadySchedulesRepository(recorded.database).listCrowd(ask))
  expect(await scansOf(database, crowd!, 'once')).toEqual([
    { table: 'scheduled_tasks', index: 'idx_scheduled_tasks_ready_to_run', rows: DUE },
  ])
  await expectIndexes([crowd!], { scheduled_tasks: /_ready_to_run$/ })
})

describe('a turn', () => {
  const turns = new TurnsRepository(recorded.database)

  it.each(['ready', 'asked', 'ahead'] as const)(
    'reads its schedules, and of their executions those that are open (%s)',
    async (kind) => {
      const occasion = kind === 'ahead' ? { dueAt: await dueAt() } : kind
      const statements = await recorded.during(async () => {
        await turns.listUpcoming([{ tenantId, ids: scheduleIds }], occasion)
        await turns.lock([{ tenantId, ids: scheduleIds }], occasion, tx())
      })
      const indexes = { scheduled_tasks: /_pkey$/, task_executions: /_(open|uncounted)$/, runs: /^runs_pkey$/ }
      await expectIndexes(statements, indexes)
      for (const statement of statements.filter(({ text }) => text.includes('scheduled_tasks'))) {
        const scans = await scansOf(database, statement, 'once')
        const read = scans.filter(({ table }) => table === 'scheduled_tasks').map(({ rows }) => rows)
        // The limit for the lock reads nothing.
        expect(read.filter((rows) => rows !== scheduleIds.length)).toEqual([])
      }
    },
  )

  it('writes by keys', async () => {
    const writes = new TurnWritesRepository()
    const execution = { id: newId(), runId }
    const statements = await recorded.during(async () => {
      await writes.start([execution], tx())
      await writes.refuse([{ id: execution.id, status: 'failed', reason: 'x' }], tx())
      await writes.close([{ id: execution.id, status: 'failed', reason: 'x' }], tx())
      await writes.count([execution.id], tx())
      await writes.giveReason([execution.id], 'x', tx())
      await new RunEndsRepository().end({ runId, status: 'completed', reason: null }, tx())
      await new ExecutionsRepository(recorded.database).get({ tenantId }, execution.id, tx())
      await turns.forgetEnds({ tenantId, ids: scheduleIds })
    })
    await expectIndexes(statements, { task_executions: /_(pkey|run_key|open|uncounted)$/ })
  })
})

describe('executions', () => {
  const executions = new ExecutionsRepository(recorded.database)
  const last = { at: new Date().toISOString(), id: newId() }
  const window = { from: new Date(Date.now() - 3_600_000).toISOString(), to: new Date().toISOString() }

  it.each([
    ['a first page', {}, undefined],
    ['a later page', {}, last],
    ['a page of one status', { status: 'missed' as const }, undefined],
    ['a page of a window of time', window, last],
  ])('are listed by an index: %s', async (_what, filter, after) => {
    const statements = await recorded.during(async () => {
      for (const scheduleId of [scheduleIds[0]!, null]) {
        await executions.list({ tenantId, scheduleId }, { filter, after, limit: 21 }, tx())
      }
    })
    await expectIndexes(statements, { task_executions: /_tenant_(schedule|date_status)$/ })
  })

  it('that have had their time are found by their age', async () => {
    const retention = new ExecutionRetentionRepository(recorded.database)
    const statements = await recorded.during(async () => {
      await retention.deleteOld({ days: 90, limit: 1000 })
      await retention.deleteEmpty({ tenantId, ids: scheduleIds })
    })
    await expectIndexes(statements.slice(0, 1), { task_executions: /_(age|pkey)$/ })
    await expectIndexes(statements.slice(1), { scheduled_tasks: /_pkey$/ })
  })
})

it('times by an older time zone database are found by an index', async () => {
  const schedules = new ReadySchedulesRepository(recorded.database)
  const statements = await recorded.during(() => schedules.listStale('2026a', null, 500))
  await expectIndexes(statements, { scheduled_tasks: /_(pkey|tz_version)$/ })
})
