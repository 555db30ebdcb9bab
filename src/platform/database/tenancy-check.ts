import type { Client } from 'pg'
import { INDEX_EXCEPTIONS, POLICY_EXCEPTIONS, TABLES_WITHOUT_TENANT } from './tenancy-exceptions.js'
import { APPEND_ONLY_TABLES, SCHEMAS_IN_USE, TABLE_GRANTS } from './tenancy-grants.js'
import { FUNCTION_BODIES, TENANCY_RULES, type TenancyRules, violationsSql } from './tenancy-rules.js'

/** This version's lists, as the rules read them. */
const LISTS = JSON.stringify({
  functions: FUNCTION_BODIES,
  policies: Object.fromEntries(Object.entries(POLICY_EXCEPTIONS).map(([name, { is }]) => [name, is])),
  tablesWithoutTenant: Object.keys(TABLES_WITHOUT_TENANT),
  indexes: Object.keys(INDEX_EXCEPTIONS),
  grants: Object.entries(TABLE_GRANTS).flatMap(([table, grants]) => grants.map((grant) => `${grant} on ${table}`)),
  schemas: SCHEMAS_IN_USE,
  appendOnly: APPEND_ONLY_TABLES,
})

/** Expressions are shown by these: with a function outside the path, say, comes its schema's name. */
const PRINTED_ALIKE = `SET search_path TO public; SET intervalstyle TO postgres; SET quote_all_identifiers TO off`

/**
 * Holds the catalogue to what keeps tenants apart (docs/adr/0002-row-level-security.md). A migration that forgets a part
 * of it works, and shows one tenant's rows to another only when somebody looks.
 * @returns one phrase for each fault, `runs has no forced row-level security`; none when all is well
 */
export async function findTenancyViolations(
  client: Client,
  appRoleName: string,
  rules: TenancyRules = TENANCY_RULES,
): Promise<string[]> {
  await client.query(PRINTED_ALIKE)
  const { rows } = await client.query<{ violation: string }>(violationsSql(rules), [appRoleName, LISTS])
  return rows.map(({ violation }) => violation)
}
