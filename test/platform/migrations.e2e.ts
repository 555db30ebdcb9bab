import { globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { DataSource, getMetadataArgsStorage } from 'typeorm'
import { Migrator, type MigratorOptions } from '#platform/database/migrator.js'
import { createTestDatabase, type TestDatabase, withClient } from '../support/test-database.js'

/** Everything that a migration can make, as text in a stable order. */
const CATALOGUE = `
  SELECT 'column ' || concat_ws(' ', c.table_name, c.column_name, c.data_type, c.is_nullable, c.column_default) AS fact
    FROM information_schema.columns c WHERE c.table_schema = 'public'
  UNION ALL
  SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL
  SELECT 'policy ' || concat_ws(' ', tablename, policyname, permissive, roles::text, cmd, qual, with_check)
    FROM pg_policies WHERE schemaname = 'public'
  UNION ALL
  SELECT 'table ' || concat_ws(' ', relname, relrowsecurity, relforcerowsecurity, relacl::text)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
  UNION ALL
  SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  ORDER BY fact`

describe('migrations', () => {
  let database: TestDatabase
  let options: MigratorOptions

  beforeEach(async () => {
    database = await createTestDatabase()
    const name = `${new URL(database.url).pathname.slice(1)}_app`
    options = { ownerUrl: database.url, appRole: { name, password: 'for tests' }, manageAppRole: true }
  })
  afterEach(async () => database[Symbol.asyncDispose]())

  it('go up, down to nothing and up again to the same schema', async () => {
    const applied = await new Migrator(options).up()
    expect(applied.length).toBeGreaterThan(0)
    const before = await readCatalogue(database.url)
    for (const _ of applied) expect(await new Migrator(options).down()).toBe(true)
    expect(await new Migrator(options).down()).toBe(false)
    expect((await readCatalogue(database.url)).filter((fact) => !fact.includes('schema_migrations'))).toEqual([])
    expect(await new Migrator(options).up()).toEqual(applied)
    expect(await readCatalogue(database.url)).toEqual(before)
  })

  it('apply nothing the second time', async () => {
    await new Migrator(options).up()
    expect(await new Migrator(options).up()).toEqual([])
  })

  it('wait for each other when replicas start at once', async () => {
    const [first, second] = await Promise.all([new Migrator(options).up(), new Migrator(options).up()])
    expect([first.length, second.length].filter((count) => count > 0)).toHaveLength(1)
  })

  it('make what the entities say, and nothing more: no drift either way', async () => {
    await new Migrator(options).up()
    expect(await readTables(database.url)).toEqual(await describeEntities())
  })
})

async function readCatalogue(url: string): Promise<string[]> {
  return withClient(url, async (client) =>
    (await client.query<{ fact: string }>(CATALOGUE)).rows.map(({ fact }) => fact),
  )
}

/** Their repositories name every column in SQL of their own. */
const TABLES_WITHOUT_ENTITY = [
  'schema_migrations',
  'agent_versions',
  'agents',
  'approval_policies',
  'approvals',
  'audit_chain_heads',
  'audit_log',
  'audit_search',
  'budget_alerts',
  'budget_periods',
  'budget_reservations',
  'budgets',
  'cost_hourly',
  'cost_hourly_detail',
  'cost_policies',
  'cost_tail',
  'idempotency_keys',
  'kept_answers',
  'login_attempts',
  'model_prices',
  'rate_limit_windows',
  'run_events',
  'run_steps',
  'schedule_policies',
  'scheduled_tasks',
  'scheduler_watch',
  'task_executions',
  'webhook_attempts',
  'webhook_deliveries',
  'webhook_health',
  'webhook_messages',
  'webhook_replays',
  'webhook_secrets',
  'webhook_subscriptions',
  'webhooks',
]

/** `table.column type nullable`, as the database has them. Tables without an entity are named here, or they are drift. */
async function readTables(url: string): Promise<string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ fact: string }>(
      `SELECT a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, NULL)
              || CASE WHEN a.attnotnull THEN '' ELSE ' null' END AS fact
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relname <> ALL ($1)`,
      [TABLES_WITHOUT_ENTITY],
    )
    return rows.map(({ fact }) => fact).sort()
  })
}

/** The same of the entities: TypeORM works out names and types without a connection. */
async function describeEntities(): Promise<string[]> {
  const modules = resolve(import.meta.dirname, '../../src/modules')
  for (const file of globSync('**/*.entity.ts', { cwd: modules })) await import(join(modules, file))
  const source = new DataSource({
    type: 'postgres',
    entities: getMetadataArgsStorage().tables.map(({ target }) => target),
  })
  await (source as unknown as { buildMetadatas(): Promise<void> }).buildMetadatas()
  return source.entityMetadatas
    .flatMap(({ tableName, columns }) =>
      columns.map((column) => {
        const type =
          source.driver.normalizeType(column).replace('timestamptz', 'timestamp with time zone') +
          (column.isArray ? '[]' : '')
        return `${tableName}.${column.databaseName} ${type}${column.isNullable ? ' null' : ''}`
      }),
    )
    .sort()
}
