import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { findTenancyViolations } from '#platform/database/tenancy-check.js'
import { INDEX_EXCEPTIONS, POLICY_EXCEPTIONS, TABLES_WITHOUT_TENANT } from '#platform/database/tenancy-exceptions.js'
import { TABLE_GRANTS } from '#platform/database/tenancy-grants.js'
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

const MEMOS = `CREATE TABLE memos (id uuid PRIMARY KEY);
  ALTER TABLE memos ENABLE ROW LEVEL SECURITY; ALTER TABLE memos FORCE ROW LEVEL SECURITY`

/** For each rule what breaks it, and whom the check must name. A rule breaks in more than one way: each is planted. */
const PLANTED: Readonly<Record<string, readonly (readonly [guilty: string, sql: string])[]>> = {
  'has no forced row-level security': [
    ['runs', 'ALTER TABLE runs NO FORCE ROW LEVEL SECURITY'],
    ['users', 'ALTER TABLE users DISABLE ROW LEVEL SECURITY'],
    ['memos', 'CREATE TABLE memos (id uuid PRIMARY KEY)'],
    ['memos', 'CREATE TABLE memos (id uuid) PARTITION BY HASH (id)'],
  ],
  'has no policy': [['csp_reports', 'DROP POLICY csp_reports_collecting ON csp_reports']],
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
  'is a policy other than tenant_id = app_tenant() that tenancy-exceptions.ts does not pin so (add or correct it in POLICY_EXCEPTIONS)':
    [
      ['notes_mine', 'CREATE POLICY notes_mine ON notes FOR SELECT TO :app USING (id = app_user())'],
      ['runs_tenant', 'ALTER POLICY runs_tenant ON runs WITH CHECK (tenant_id = app_tenant() OR true)'],
      ['runs_sweep', 'ALTER POLICY runs_sweep ON runs USING (id IS NOT NULL)'],
      ['sessions_self_read', 'ALTER POLICY sessions_self_read ON sessions USING (user_id IS NOT NULL)'],
      ['sessions_self_end', 'ALTER POLICY sessions_self_end ON sessions WITH CHECK (user_id IS NOT NULL)'],
      ['one_time_tokens_presented', 'ALTER POLICY one_time_tokens_presented ON one_time_tokens USING (1 = 1)'],
      [
        'users_colleagues',
        `ALTER POLICY users_colleagues ON users USING (EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id))`,
      ],
      ['audit_search_match', 'ALTER POLICY audit_search_match ON audit_search USING (1 = 1)'],
      [
        'tenants_member',
        `DROP POLICY tenants_member ON tenants;
       CREATE POLICY tenants_member ON tenants FOR DELETE TO :app USING (EXISTS (SELECT 1 FROM memberships m
         WHERE m.tenant_id = tenants.id AND m.user_id = app_user() AND m.disabled_at IS NULL))`,
      ],
      ['runs_sweep', 'CREATE POLICY runs_sweep ON notes FOR SELECT TO :app USING (id IS NOT NULL)'],
      ['memos_all', `${MEMOS}; CREATE POLICY memos_all ON memos TO :app USING (id = id) WITH CHECK (id = id)`],
    ],
  'is a restrictive policy that must be there': [
    ['audit_search_match', 'DROP POLICY audit_search_match ON audit_search'],
    [
      'audit_search_match',
      `DROP POLICY audit_search_match ON audit_search;
       CREATE POLICY audit_search_match ON audit_search FOR SELECT TO :app USING (search @@ app_audit_query())`,
    ],
  ],
  'has no tenant_id (add it to TABLES_WITHOUT_TENANT in tenancy-exceptions.ts, if its rows belong to no tenant)': [
    ['memos', MEMOS],
    ['notes', 'ALTER TABLE notes RENAME COLUMN tenant_id TO owner_id'],
  ],
  'has no policy on its tenant': [
    ['runs', 'DROP POLICY runs_tenant ON runs'],
    ['runs', 'ALTER POLICY runs_tenant ON runs USING (tenant_id = app_user())'],
  ],
  'has a primary key that does not begin with tenant_id': [
    ['notes', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (id, tenant_id)'],
    ['notes', 'ALTER TABLE notes DROP CONSTRAINT notes_pkey'],
  ],
  'is an index that does not begin with tenant_id (add it to INDEX_EXCEPTIONS in tenancy-exceptions.ts, if it must not)':
    [
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
  'is more than the role that serves should have (add it to TABLE_GRANTS in tenancy-grants.ts, if a migration means to grant it)':
    [
      ['UPDATE on audit_log', 'GRANT UPDATE ON audit_log TO :app'],
      ['DELETE on audit_log', 'GRANT DELETE ON audit_log TO PUBLIC'],
      ['UPDATE (hash) on audit_log', 'GRANT UPDATE (hash) ON audit_log TO :app'],
      ['UPDATE on sessions', 'GRANT UPDATE ON sessions TO :app'],
      ['UPDATE (user_id) on sessions', 'GRANT UPDATE (user_id) ON sessions TO :app'],
      ['SELECT on notes', 'GRANT SELECT ON notes TO :app'],
      [
        'SELECT on v_notes',
        `CREATE VIEW v_notes WITH (security_invoker = true) AS SELECT * FROM notes; GRANT SELECT ON v_notes TO :app`,
      ],
    ],
  'is a schema that the role that serves should not use (REVOKE ALL, or add it to SCHEMAS_IN_USE in tenancy-grants.ts)':
    [
      ['side', 'CREATE SCHEMA side; GRANT USAGE ON SCHEMA side TO :app'],
      ['side', 'CREATE SCHEMA side; GRANT CREATE ON SCHEMA side TO PUBLIC'],
    ],
  'has no enabled trigger that refuses UPDATE, DELETE and TRUNCATE (it is among APPEND_ONLY_TABLES in tenancy-grants.ts)':
    [
      ['audit_log', 'ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only'],
      ['audit_log', 'ALTER TABLE audit_log ENABLE REPLICA TRIGGER audit_log_append_only'],
      ['audit_search', 'DROP TRIGGER audit_search_append_only ON audit_search'],
      [
        'audit_log',
        `CREATE OR REPLACE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`,
      ],
      [
        'audit_search',
        `CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      ],
    ],
  'may be touched by the role that serves': [
    ['schema_migrations', 'GRANT SELECT (name) ON schema_migrations TO :app'],
    ['schema_migrations', 'GRANT DELETE ON schema_migrations TO PUBLIC'],
  ],
  'is a schema that the role that serves may create in (REVOKE CREATE ON SCHEMA public FROM PUBLIC)': [
    ['public', 'GRANT CREATE ON SCHEMA public TO PUBLIC'],
    ['pgboss', 'GRANT CREATE ON SCHEMA pgboss TO :app'],
  ],
  'is a view without security_invoker': [
    ['v_runs', 'CREATE VIEW v_runs AS SELECT * FROM runs'],
    ['v_runs', 'CREATE VIEW pgboss.v_runs AS SELECT * FROM runs'],
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
    ['all_jobs', `CREATE FUNCTION pgboss.all_jobs() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`],
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
      expect(found.map((violation) => violation.replace(/: .*/, ''))).toContain(`${guilty} ${rule}`)
    },
  )

  it('shows a policy that is not pinned as its pin would have to be', async () => {
    const found = await database.undone(async () => {
      await run('ALTER POLICY runs_sweep ON runs USING (id IS NOT NULL)')
      return find()
    })
    expect(found).toEqual([
      expect.stringMatching(/^runs_sweep .*POLICY_EXCEPTIONS\): runs SELECT USING \(id IS NOT NULL\)$/),
    ])
  })

  it('reads policies alike whatever the server is set to', async () => {
    await database.superuser.query('SET intervalstyle TO iso_8601; SET quote_all_identifiers TO on')
    expect(await find()).toEqual([])
  })

  it('names only exceptions that there are', async () => {
    const names = async (sql: string): Promise<string[]> =>
      (await database.rows<{ name: string }>(sql)).map(({ name }) => name)
    const listed = { ...POLICY_EXCEPTIONS, ...INDEX_EXCEPTIONS, ...TABLES_WITHOUT_TENANT }
    expect([
      ...(await names(`SELECT polname AS name FROM pg_policy`)),
      ...(await names(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace`)),
    ]).toEqual(expect.arrayContaining(Object.keys(listed)))
  })

  it('lists no grant that the role that serves does not have', async () => {
    const listed = Object.entries(TABLE_GRANTS).flatMap(([table, grants]) =>
      grants.map((grant) => ({ table, grant, column: /\((\w+)\)/.exec(grant)?.[1] ?? null })),
    )
    const missing = await database.rows(
      `SELECT listed.* FROM jsonb_to_recordset($1::jsonb) AS listed ("table" text, "grant" text, "column" text)
        WHERE NOT CASE WHEN "column" IS NULL THEN has_table_privilege($2, "table", "grant")
                       ELSE has_column_privilege($2, "table", "column", split_part("grant", ' ', 1)) END`,
      [JSON.stringify(listed), database.appRoleName],
    )
    expect(missing).toEqual([])
  })
})

describe('a start', () => {
  const provision = async (): Promise<readonly string[]> => {
    const config = AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET: TEST_JWT_SECRET, DATABASE_URL: database.url })
    const provisioned = await provisionDatabase(config)
    await provisioned.close()
    return provisioned.unknownMigrations
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

  it.each([
    ['one that row-level security does not bind', 'ALTER ROLE :other BYPASSRLS', 'ALTER ROLE :other NOBYPASSRLS'],
    ['one that creates roles', 'ALTER ROLE :other CREATEROLE', 'ALTER ROLE :other NOCREATEROLE'],
    ['owner of the schema', 'ALTER SCHEMA public OWNER TO :other', 'ALTER SCHEMA public OWNER TO pg_database_owner'],
    [
      'owner of a function that policies call',
      'ALTER FUNCTION app_tenant() OWNER TO :other',
      'ALTER FUNCTION app_tenant() OWNER TO CURRENT_USER',
    ],
    ['owner of a table', 'ALTER TABLE runs OWNER TO :other', 'ALTER TABLE runs OWNER TO CURRENT_USER'],
  ])('is refused to a role that could become %s', async (_, make, unmake) => {
    const other = `${database.appRoleName}_other`
    await run(`CREATE ROLE ${other}; GRANT ${other} TO :app; ${make.replace(':other', other)}`)
    try {
      await expect(provision()).rejects.toThrow(
        `the database role ${database.appRoleName} may become ${other}, which is a superuser, bypasses row-level security`,
      )
    } finally {
      await run(`${unmake.replace(':other', other)}; DROP ROLE ${other}`)
    }
    await provision()
  })

  it("is refused to a role that could become the database's owner", async () => {
    const name = new URL(database.url).pathname.slice(1)
    const other = `${database.appRoleName}_other`
    await run(`CREATE ROLE ${other}; GRANT ${other} TO :app; ALTER DATABASE ${name} OWNER TO ${other}`)
    try {
      await expect(provision()).rejects.toThrow('may become pg_database_owner, which is a superuser')
    } finally {
      await run(`ALTER DATABASE ${name} OWNER TO CURRENT_USER; DROP ROLE ${other}`)
    }
    await provision()
  })

  describe('on a schema that a newer version migrated', () => {
    const newer = 'of-tomorrow-9999999999999'

    beforeEach(async () => {
      await run(`INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, '${newer}')`)
    })
    afterEach(async () => run(`DELETE FROM schema_migrations WHERE name = '${newer}'`))

    it('leaves new policies and grants to that version, and says so', async () => {
      await run(`${TENANT_TABLE} CREATE POLICY notes_mine ON notes FOR SELECT TO :app USING (id = app_user());
        GRANT SELECT ON notes TO :app`)
      try {
        expect(await provision()).toEqual([newer])
      } finally {
        await run('DROP TABLE notes')
      }
      expect(await provision()).toEqual([newer])
    })

    it('is refused by what is wrong with any table', async () => {
      await run('CREATE TABLE of_tomorrow (id int)')
      try {
        await expect(provision()).rejects.toThrow('of_tomorrow has no forced row-level security')
      } finally {
        await run('DROP TABLE of_tomorrow')
      }
    })
  })

  it('makes the whole check on its own schema', async () => {
    expect(await provision()).toEqual([])
  })
})
