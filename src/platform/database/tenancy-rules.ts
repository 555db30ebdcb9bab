/** Tables that one forgets: an extension's are the extension's business, and TypeORM's own has no tenant. */
const TABLES = `
  ours AS (
    SELECT c.* FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT 1 FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
  tables AS (SELECT * FROM ours WHERE relkind IN ('r', 'p') AND relname <> 'schema_migrations'),
  tenant_tables AS (
    SELECT t.*, a.attnum AS tenant_column FROM tables t
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
  policies AS (
    SELECT p.*, t.relname, pg_get_expr(p.polqual, p.polrelid) AS reads, pg_get_expr(p.polwithcheck, p.polrelid) AS writes
      FROM pg_policy p JOIN tables t ON t.oid = p.polrelid),
  role AS (SELECT oid, rolname FROM pg_roles WHERE rolname = $1)`

const TENANT_IS_AT_HAND = `'(tenant_id = app_tenant())'`

/** What a policy may ask. Another body, and every policy on the function means something else. */
const FUNCTION_BODIES = {
  app_tenant: `RETURN (NULLIF(current_setting('app.current_tenant'::text, true), ''::text))::uuid`,
  app_user: `RETURN (NULLIF(current_setting('app.current_user'::text, true), ''::text))::uuid`,
  app_purpose: `RETURN NULLIF(current_setting('app.purpose'::text, true), ''::text)`,
  app_presented_hash: `RETURN decode(NULLIF(current_setting('app.presented_hash'::text, true), ''::text), 'hex'::text)`,
}

/** What each object is found guilty of, by a query that gives the guilty objects' names. */
export const TENANCY_RULES: Readonly<Record<string, string>> = {
  'has no forced row-level security': `
    SELECT relname FROM tables WHERE NOT (relrowsecurity AND relforcerowsecurity)`,
  'has no policy': `
    SELECT relname FROM tables t WHERE NOT EXISTS (SELECT 1 FROM policies WHERE polrelid = t.oid AND polpermissive)`,
  'has no USING': `
    SELECT polname FROM policies WHERE polcmd IN ('*', 'r', 'w', 'd') AND polpermissive AND reads IS NULL`,
  'has no WITH CHECK': `
    SELECT polname FROM policies WHERE polcmd IN ('*', 'a', 'w') AND polpermissive AND writes IS NULL`,
  'lets everybody through': `
    SELECT polname FROM policies WHERE polpermissive AND 'true' IN (reads, writes)`,
  'is not for the role that serves, and it alone': `
    SELECT polname FROM policies, role WHERE polroles <> ARRAY[role.oid]`,
  'opens a tenant table by something else than the tenant, and is not among the exceptions': `
    SELECT polname FROM policies JOIN tenant_tables t ON t.oid = polrelid
     WHERE polpermissive AND polname <> ALL ($2::text[])
       AND (coalesce(reads, ${TENANT_IS_AT_HAND}) <> ${TENANT_IS_AT_HAND}
            OR coalesce(writes, ${TENANT_IS_AT_HAND}) <> ${TENANT_IS_AT_HAND})`,
  'has no policy on its tenant': `
    SELECT relname FROM tenant_tables t
     WHERE NOT EXISTS (SELECT 1 FROM policies
                        WHERE polrelid = t.oid AND polpermissive AND polcmd = '*'
                          AND reads = ${TENANT_IS_AT_HAND} AND writes = ${TENANT_IS_AT_HAND})`,
  'has a primary key that does not begin with tenant_id': `
    SELECT relname FROM tenant_tables t
     WHERE NOT EXISTS (SELECT 1 FROM pg_index i
                        WHERE i.indrelid = t.oid AND i.indisprimary AND i.indkey[0] = t.tenant_column)`,
  'is an index that does not begin with tenant_id, and is not among the exceptions': `
    SELECT c.relname FROM tenant_tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
     WHERE NOT i.indisprimary AND i.indkey[0] <> t.tenant_column AND c.relname <> ALL ($3::text[])`,
  'is a foreign key between tenant tables that leaves tenant_id out': `
    SELECT k.conname FROM pg_constraint k
      JOIN tenant_tables here ON here.oid = k.conrelid
      JOIN tenant_tables there ON there.oid = k.confrelid
     WHERE k.contype = 'f'
       AND NOT EXISTS (SELECT 1 FROM unnest(k.conkey, k.confkey) AS pair (here_column, there_column)
                        WHERE pair.here_column = here.tenant_column AND pair.there_column = there.tenant_column)`,
  'gives the role that serves TRUNCATE, REFERENCES, TRIGGER or ownership': `
    SELECT relname FROM ours, role
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
       AND (relowner = role.oid OR has_table_privilege(role.oid, ours.oid, 'TRUNCATE, REFERENCES, TRIGGER')
            OR has_any_column_privilege(role.oid, ours.oid, 'REFERENCES'))`,
  'may be touched by the role that serves': `
    SELECT relname FROM ours, role
     WHERE relname = 'schema_migrations'
       AND (has_any_column_privilege(role.oid, ours.oid, 'SELECT, INSERT, UPDATE')
            OR has_table_privilege(role.oid, ours.oid, 'DELETE'))`,
  'is a schema that the role that serves may create in (REVOKE CREATE ON SCHEMA public FROM PUBLIC)': `
    SELECT 'public' FROM role WHERE has_schema_privilege(role.oid, 'public', 'CREATE')`,
  'is a view without security_invoker': `
    SELECT relname FROM ours
     WHERE relkind = 'v' AND NOT EXISTS (SELECT 1 FROM pg_options_to_table(reloptions)
                                          WHERE option_name = 'security_invoker' AND option_value::boolean)`,
  'is a materialized view or foreign table, which row-level security does not reach': `
    SELECT relname FROM ours WHERE relkind IN ('m', 'f')`,
  'is a function with SECURITY DEFINER': `
    SELECT proname FROM pg_proc f
     WHERE pronamespace = 'public'::regnamespace AND prosecdef
       AND NOT EXISTS (SELECT 1 FROM pg_depend d
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')`,
  'does not read the setting that it is named for': `
    SELECT expected.key FROM jsonb_each_text($4::jsonb) AS expected
      LEFT JOIN pg_proc f ON f.pronamespace = 'public'::regnamespace AND f.proname = expected.key
     WHERE pg_get_function_sqlbody(f.oid) IS DISTINCT FROM expected.value`,
}

/** All rules in one round trip: `$1` the role that serves, `$2` policy and `$3` index exceptions, `$4` `FUNCTION_BODIES_JSON`. */
export const VIOLATIONS_SQL = `WITH ${TABLES}
${Object.entries(TENANCY_RULES)
  .map(([fault, sql]) => `SELECT guilty.name::text || ' ${fault}' AS violation FROM (${sql}) AS guilty (name)`)
  .join('\nUNION ALL ')}
ORDER BY violation`

export const FUNCTION_BODIES_JSON = JSON.stringify(FUNCTION_BODIES)
