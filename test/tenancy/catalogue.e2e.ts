import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { findTenancyViolations } from '#platform/database/tenancy-check.js'
import { INDEX_EXCEPTIONS, POLICY_EXCEPTIONS } from '#platform/database/tenancy-exceptions.js'
import { TENANCY_RULES } from '#platform/database/tenancy-rules.js'
import { AppConfig } from '#platform/config/app-config.js'
import { provisionDatabase } from '#platform/database/provision.js'
import { MigratedDatabase } from '../support/migrated-database.js'
import { TEST_JWT_SECRET } from '../support/test-app.js'

const TENANT_TABLE = `
  CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid NOT NULL, run_id uuid, PRIMARY KEY (tenant_id, id));
  ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
  ALTER TABLE notes FORCE ROW LEVEL SECURITY;
  CREATE POLICY notes_tenant ON notes TO :app USING (tenant_id = app_tenant()) WITH CHECK (tenant_id = app_tenant());`

/** For each rule what breaks it, and whom the check must name. A rule breaks in more than one way: each is planted. */
const PLANTED: Readonly<Record<string, readonly (readonly [guilty: string, sql: string])[]>> = {
  'has no forced row-level security': [
    ['runs', 'ALTER TABLE runs NO FORCE ROW LEVEL SECURITY'],
    ['users', 'ALTER TABLE users DISABLE ROW LEVEL SECURITY'],
    ['memos', 'CREATE TABLE memos (id uuid PRIMARY KEY)'],
    ['memos', 'CREATE TABLE memos (id uuid) PARTITION BY HASH (id)'],
  ],
  'has no policy': [['tenants', 'DROP POLICY tenants_own ON tenants']],
  'has no USING': [
    ['notes_write', 'CREATE POLICY notes_write ON notes FOR UPDATE TO :app WITH CHECK (tenant_id = app_tenant())'],
  ],
  'has no WITH CHECK': [
    ['notes_all', 'CREATE POLICY notes_all ON notes TO :app USING (tenant_id = app_tenant())'],
    ['notes_write', 'CREATE POLICY notes_write ON notes FOR UPDATE TO :app USING (tenant_id = app_tenant())'],
    ['notes_add', 'CREATE POLICY notes_add ON notes FOR INSERT TO :app'],
  ],
  'lets everybody through': [
    ['users_self', 'ALTER POLICY users_self ON users USING (true)'],
    ['notes_add', 'CREATE POLICY notes_add ON notes FOR INSERT TO :app WITH CHECK (true)'],
  ],
  'is not for the role that serves, and it alone': [
    ['runs_tenant', 'ALTER POLICY runs_tenant ON runs TO PUBLIC'],
    ['runs_tenant', 'ALTER POLICY runs_tenant ON runs TO :app, CURRENT_USER'],
  ],
  'opens a tenant table by something else than the tenant, and is not among the exceptions': [
    ['notes_mine', 'CREATE POLICY notes_mine ON notes FOR SELECT TO :app USING (id = app_user())'],
    ['runs_tenant', 'ALTER POLICY runs_tenant ON runs WITH CHECK (tenant_id = app_tenant() OR true)'],
  ],
  'has no policy on its tenant': [
    ['runs', 'DROP POLICY runs_tenant ON runs'],
    ['runs', 'ALTER POLICY runs_tenant ON runs USING (tenant_id = app_user())'],
  ],
  'has a primary key that does not begin with tenant_id': [
    ['notes', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id, tenant_id)'],
    ['notes', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey'],
  ],
  'is an index that does not begin with tenant_id, and is not among the exceptions': [
    ['idx_notes_run', 'CREATE INDEX idx_notes_run ON notes (run_id, tenant_id)'],
    ['idx_notes_word', 'CREATE INDEX idx_notes_word ON notes (lower(id::text))'],
  ],
  'is a foreign key between tenant tables that leaves tenant_id out': [
    [
      'notes_run',
      `CREATE UNIQUE INDEX runs_id ON runs (id);
       ALTER TABLE notes ADD CONSTRAINT notes_run FOREIGN KEY (run_id) REFERENCES runs (id)`,
    ],
    [
      'notes_crossed',
      `ALTER TABLE notes ADD CONSTRAINT notes_crossed FOREIGN KEY (run_id, tenant_id) REFERENCES runs (tenant_id, id)`,
    ],
  ],
  'gives the role that serves TRUNCATE, REFERENCES, TRIGGER or ownership': [
    ['runs', 'GRANT TRUNCATE ON runs TO :app'],
    ['runs', 'GRANT TRUNCATE ON runs TO PUBLIC'],
    ['runs', 'GRANT REFERENCES (id) ON runs TO :app'],
    ['schema_migrations', 'GRANT TRIGGER ON schema_migrations TO :app'],
    ['notes', 'ALTER TABLE notes OWNER TO :app'],
  ],
  'may be touched by the role that serves': [
    ['schema_migrations', 'GRANT SELECT (name) ON schema_migrations TO :app'],
    ['schema_migrations', 'GRANT DELETE ON schema_migrations TO PUBLIC'],
  ],
  'is a schema that the role that serves may create in (REVOKE CREATE ON SCHEMA public FROM PUBLIC)': [
    ['public', 'GRANT CREATE ON SCHEMA public TO PUBLIC'],
  ],
  'is a view without security_invoker': [
    ['v_runs', 'CREATE VIEW v_runs AS SELECT * FROM runs'],
    ['v_runs', 'CREATE VIEW v_runs WITH (security_invoker = off) AS SELECT * FROM runs'],
  ],
  'is a materialized view or foreign table, which row-level security does not reach': [
    ['m_runs', 'CREATE MATERIALIZED VIEW m_runs AS SELECT * FROM runs'],
  ],
  'is a function with SECURITY DEFINER': [
    [
      'all_runs',
      'CREATE FUNCTION all_runs() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM runs $$',
    ],
  ],
  'does not read the setting that it is named for': [
    [
      'app_tenant',
      `CREATE OR REPLACE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql STABLE
         RETURN current_setting('app.current_tenant', true)::uuid`,
    ],
    ['app_user', 'ALTER FUNCTION app_user() RENAME TO app_somebody'],
  ],
}

let database: MigratedDatabase

beforeAll(async () => {
  database = await MigratedDatabase.create()
})
afterAll(async () => database[Symbol.asyncDispose]())

function find(): Promise<string[]> {
  return findTenancyViolations(database.superuser, database.appRoleName)
}

async function run(sql: string): Promise<void> {
  await database.superuser.query(sql.replaceAll(':app', `"${database.appRoleName}"`))
}

describe('the catalogue check', () => {
  it('finds nothing wrong with the migrations', async () => {
    expect(await find()).toEqual([])
  })

  it('finds nothing wrong with a table that has all it needs, and a view that runs as whoever asks', async () => {
    await database.undone(async () => {
      await run(TENANT_TABLE)
      await run('CREATE VIEW v_notes WITH (security_invoker = true) AS SELECT * FROM notes')
      expect(await find()).toEqual([])
    })
  })

  it('leaves what belongs to an extension alone', async () => {
    await database.undone(async () => {
      await run(`CREATE TABLE spatial (id int); CREATE VIEW v_stat AS SELECT 1;
        CREATE FUNCTION definer() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE EXTENSION IF NOT EXISTS plpgsql;
        ALTER EXTENSION plpgsql ADD TABLE spatial; ALTER EXTENSION plpgsql ADD VIEW v_stat;
        ALTER EXTENSION plpgsql ADD FUNCTION definer()`)
      expect(await find()).toEqual([])
    })
  })

  it('has a planted violation for each of its rules', () => {
    expect(Object.keys(PLANTED).sort()).toEqual(Object.keys(TENANCY_RULES).sort())
  })

  it.each(Object.entries(PLANTED).flatMap(([rule, plants]) => plants.map(([guilty, sql]) => [rule, guilty, sql])))(
    '%s: names %s for %s',
    async (rule, guilty, sql) => {
      const found = await database.undone(async () => {
        await run(TENANT_TABLE)
        await run(sql)
        return find()
      })
      expect(found).toContain(`${guilty} ${rule}`)
    },
  )

  it('names only exceptions that there are', async () => {
    const policies = await database.rows<{ name: string }>(`SELECT polname AS name FROM pg_policy`)
    expect(policies.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(POLICY_EXCEPTIONS)))
    const indexes = await database.rows<{ name: string }>(`SELECT indexname AS name FROM pg_indexes`)
    expect(indexes.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(INDEX_EXCEPTIONS)))
  })
})

describe('a start', () => {
  const provision = async (): Promise<void> => {
    const config = AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET: TEST_JWT_SECRET, DATABASE_URL: database.url })
    await (await provisionDatabase(config)).close()
  }

  it('is refused in one line by a schema that would not keep tenants apart', async () => {
    await run('ALTER TABLE runs NO FORCE ROW LEVEL SECURITY')
    try {
      await expect(provision()).rejects.toThrow(
        /^DATABASE_URL: the schema does not keep tenants apart: runs has no forced row-level security$/,
      )
    } finally {
      await run('ALTER TABLE runs FORCE ROW LEVEL SECURITY')
    }
    await provision()
  })

  it('is refused to a role that could become one that row-level security does not bind', async () => {
    const owner = `${database.appRoleName}_owner`
    await run(`CREATE ROLE ${owner} BYPASSRLS; GRANT ${owner} TO :app`)
    try {
      await expect(provision()).rejects.toThrow(
        `the database role ${database.appRoleName} may become ${owner}, which is a superuser, bypasses row-level security`,
      )
    } finally {
      await run(`DROP ROLE ${owner}`)
    }
    await provision()
  })

  it('leaves a schema that a newer version migrated to that version', async () => {
    await run(`CREATE TABLE of_tomorrow (id int);
      INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, 'of-tomorrow-9999999999999')`)
    try {
      await expect(provision()).resolves.toBeUndefined()
    } finally {
      await run(`DROP TABLE of_tomorrow; DELETE FROM schema_migrations WHERE name LIKE 'of-tomorrow%'`)
    }
  })
})
