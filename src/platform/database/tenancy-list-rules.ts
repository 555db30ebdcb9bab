/** BEFORE UPDATE OR DELETE OR TRUNCATE, for each statement, as `pg_trigger.tgtype` has it. */
const APPEND_ONLY_TRIGGER = 2 + 8 + 16 + 32

const PLAIN = `'(tenant_id = app_tenant())'`

/** What an append-only table's trigger does. Another body lets changes through under the same name. */
const REFUSAL = `RAISE EXCEPTION ''% is append-only'', TG_TABLE_NAME USING ERRCODE = ''insufficient_privilege'';`

/**
 * Rules that know this version's tables, by the lists in `tenancy-exceptions.ts` and `tenancy-grants.ts`. Each fault says
 * which list to add to: whoever adds a table, a policy or a grant on purpose adds it there, too, with its reason.
 */
export const LISTED_RULES: Readonly<Record<string, string>> = {
  'is a policy other than tenant_id = app_tenant() that tenancy-exceptions.ts does not pin so (add or correct it in POLICY_EXCEPTIONS)': `
    SELECT polname, printed AS detail FROM policies, lists
     WHERE (coalesce(reads, ${PLAIN}) <> ${PLAIN} OR coalesce(writes, ${PLAIN}) <> ${PLAIN})
       AND printed IS DISTINCT FROM lists -> 'policies' ->> polname::text`,
  'is a restrictive policy that must be there': `
    SELECT pinned.key FROM lists, jsonb_each_text(lists -> 'policies') AS pinned
     WHERE pinned.value LIKE '% RESTRICTIVE %'
       AND NOT EXISTS (SELECT 1 FROM policies WHERE polname::text = pinned.key AND printed = pinned.value)`,
  'has no tenant_id (add it to TABLES_WITHOUT_TENANT in tenancy-exceptions.ts, if its rows belong to no tenant)': `
    SELECT relname FROM tables t, lists
     WHERE NOT lists -> 'tablesWithoutTenant' ? relname::text AND NOT EXISTS (SELECT 1 FROM tenant_tables WHERE oid = t.oid)`,
  'is an index that does not begin with tenant_id (add it to INDEX_EXCEPTIONS in tenancy-exceptions.ts, if it must not)': `
    SELECT c.relname FROM lists, tenant_tables t
      JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
     WHERE NOT i.indisprimary AND i.indkey[0] <> t.tenant_column AND NOT lists -> 'indexes' ? c.relname::text`,
  'is more than the role that serves should have (add it to TABLE_GRANTS in tenancy-grants.ts, if a migration means to grant it)': `
    SELECT held FROM grants, lists WHERE NOT lists -> 'grants' ? held`,
  'is a schema that the role that serves should not use (REVOKE ALL, or add it to SCHEMAS_IN_USE in tenancy-grants.ts)': `
    SELECT nspname FROM schemas, lists WHERE NOT lists -> 'schemas' ? nspname::text`,
  'has no enabled trigger that refuses UPDATE, DELETE and TRUNCATE (it is among APPEND_ONLY_TABLES in tenancy-grants.ts)': `
    SELECT name FROM lists, jsonb_array_elements_text(lists -> 'appendOnly') AS name
     WHERE NOT EXISTS (SELECT 1 FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid JOIN pg_proc f ON f.oid = g.tgfoid
                        WHERE t.relname = name AND g.tgname = name || '_append_only' AND g.tgenabled IN ('O', 'A')
                          AND g.tgtype = ${APPEND_ONLY_TRIGGER} AND g.tgqual IS NULL AND g.tgattr = ''
                          AND regexp_replace(f.prosrc, '\\s+', ' ', 'g') = ' BEGIN ${REFUSAL} END ')`,
}
