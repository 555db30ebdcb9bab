import { CATALOGUE } from './tenancy-catalogue.js'
import { LISTED_RULES } from './tenancy-list-rules.js'

const TENANT_IS_AT_HAND = `'(tenant_id = app_tenant())'`

/** What a policy may ask. Another body, and every policy on the function means something else. */
export const FUNCTION_BODIES = {
  app_tenant: `RETURN (NULLIF(current_setting('app.current_tenant'::text, true), ''::text))::uuid`,
  app_user: `RETURN (NULLIF(current_setting('app.current_user'::text, true), ''::text))::uuid`,
  app_purpose: `RETURN NULLIF(current_setting('app.purpose'::text, true), ''::text)`,
  app_presented_hash: `RETURN decode(NULLIF(current_setting('app.presented_hash'::text, true), ''::text), 'hex'::text)`,
}

/** What an object is found guilty of, by a query that gives the guilty objects' names and, as `detail`, what more there is to say. */
export type TenancyRules = Readonly<Record<string, string>>

/** What holds whatever tables there are, hence for a schema that a newer version migrated, too. */
export const LASTING_RULES: TenancyRules = {
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
  'has no policy on its tenant': `
    SELECT relname FROM tenant_tables t
     WHERE NOT EXISTS (SELECT 1 FROM policies
                        WHERE polrelid = t.oid AND polpermissive AND polcmd = '*'
                          AND reads = ${TENANT_IS_AT_HAND} AND writes = ${TENANT_IS_AT_HAND})`,
  'has a primary key that does not begin with tenant_id': `
    SELECT relname FROM tenant_tables t
     WHERE NOT EXISTS (SELECT 1 FROM pg_index i
                        WHERE i.indrelid = t.oid AND i.indisprimary AND i.indkey[0] = t.tenant_column)`,
  'is a foreign key between tenant tables that leaves tenant_id out': `
    SELECT k.conname FROM pg_constraint k
      JOIN tenant_tables here ON here.oid = k.conrelid
      JOIN tenant_tables there ON there.oid = k.confrelid
     WHERE k.contype = 'f'
       AND NOT EXISTS (SELECT 1 FROM unnest(k.conkey, k.confkey) AS pair (here_column, there_column)
                        WHERE pair.here_column = here.tenant_column AND pair.there_column = there.tenant_column)`,
  'gives the role that serves TRUNCATE, REFERENCES, TRIGGER or ownership': `
    SELECT relname FROM reachable r, role
     WHERE relowner = role.oid OR has_table_privilege(role.oid, r.oid, 'TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(role.oid, r.oid, 'REFERENCES')`,
  'may be touched by the role that serves': `
    SELECT relname FROM ours, role
     WHERE relname = 'schema_migrations'
       AND (has_any_column_privilege(role.oid, ours.oid, 'SELECT, INSERT, UPDATE')
            OR has_table_privilege(role.oid, ours.oid, 'DELETE'))`,
  'is a schema that the role that serves may create in (REVOKE CREATE ON SCHEMA public FROM PUBLIC)': `
    SELECT nspname FROM schemas s, role WHERE has_schema_privilege(role.oid, s.oid, 'CREATE')`,
  'is a view without security_invoker': `
    SELECT relname FROM reachable
     WHERE relkind = 'v' AND NOT EXISTS (SELECT 1 FROM pg_options_to_table(reloptions)
                                          WHERE option_name = 'security_invoker' AND option_value::boolean)`,
  'is a materialized view or foreign table, which row-level security does not reach': `
    SELECT relname FROM reachable WHERE relkind IN ('m', 'f')`,
  'is a function with SECURITY DEFINER': `
    SELECT proname FROM functions WHERE prosecdef`,
  'does not read the setting that it is named for': `
    SELECT expected.key FROM lists, jsonb_each_text(lists -> 'functions') AS expected
      LEFT JOIN pg_proc f ON f.pronamespace = 'public'::regnamespace AND f.proname = expected.key
     WHERE pg_get_function_sqlbody(f.oid) IS DISTINCT FROM expected.value`,
}

export const TENANCY_RULES: TenancyRules = { ...LASTING_RULES, ...LISTED_RULES }

/** All of `rules` in one round trip; its parameters are those of `CATALOGUE`. */
export function violationsSql(rules: TenancyRules): string {
  const guilty = Object.entries(rules).map(
    ([fault, sql]) =>
      `SELECT guilty.name::text || ' ${fault}' || coalesce(': ' || (to_jsonb(guilty) ->> 'detail'), '') AS violation
         FROM (${sql}) AS guilty (name)`,
  )
  return `WITH ${CATALOGUE}\n${guilty.join('\nUNION ALL ')}\nORDER BY violation`
}
