import { JOBS_SCHEMA } from '../jobs/jobs-schema.js'

const COMMANDS = `CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END`

const LOOKED_AT = ['r', 'p', 'v', 'm', 'f'].map((kind) => `'${kind}'`).join()

function isNoExtensions(catalogue: string, oid: string): string {
  return `NOT EXISTS (SELECT 1 FROM pg_depend d
                       WHERE d.classid = '${catalogue}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`
}

/**
 * What the rules ask: `$1` is the role that serves, `$2` the lists of this version. All schemas count that the role may
 * use. Left out are what extensions brought, which is their business, and the job queue's tables, whose rows are no tenant's.
 */
export const CATALOGUE = `
  lists AS (SELECT $2::jsonb AS lists),
  role AS (SELECT oid, rolname FROM pg_roles WHERE rolname = $1),
  schemas AS (
    SELECT n.* FROM pg_namespace n, role
     WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND (n.nspname = 'public' OR has_schema_privilege(role.oid, n.oid, 'USAGE, CREATE'))
       AND ${isNoExtensions('pg_namespace', 'n.oid')}),
  reachable AS (
    SELECT c.*, s.nspname FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
     WHERE c.relkind IN (${LOOKED_AT}) AND ${isNoExtensions('pg_class', 'c.oid')}),
  functions AS (
    SELECT f.* FROM pg_proc f JOIN schemas s ON s.oid = f.pronamespace WHERE ${isNoExtensions('pg_proc', 'f.oid')}),
  ours AS (SELECT * FROM reachable WHERE nspname <> '${JOBS_SCHEMA}'),
  tables AS (SELECT * FROM ours WHERE relkind IN ('r', 'p') AND relname <> 'schema_migrations'),
  tenant_tables AS (
    SELECT t.*, a.attnum AS tenant_column FROM tables t
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
  expressions AS (
    SELECT p.*, t.relname, pg_get_expr(p.polqual, p.polrelid) AS reads, pg_get_expr(p.polwithcheck, p.polrelid) AS writes
      FROM pg_policy p JOIN tables t ON t.oid = p.polrelid),
  policies AS (
    SELECT *, regexp_replace(
             concat_ws(' ', relname, CASE WHEN NOT polpermissive THEN 'RESTRICTIVE' END, ${COMMANDS},
                       'USING ' || reads, 'WITH CHECK ' || writes), '\\s+', ' ', 'g') AS printed
      FROM expressions),
  grants AS (
    SELECT privilege || ' on ' || relname AS held
      FROM role, ours, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
     WHERE relname <> 'schema_migrations' AND has_table_privilege(role.oid, ours.oid, privilege)
    UNION ALL
    SELECT format('%s (%s) on %s', privilege, attname, relname)
      FROM role, ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped,
           unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
     WHERE relname <> 'schema_migrations' AND has_column_privilege(role.oid, ours.oid, a.attnum, privilege)
       AND NOT has_table_privilege(role.oid, ours.oid, privilege))`
