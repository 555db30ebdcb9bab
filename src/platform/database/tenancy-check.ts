import type { Client } from 'pg'
import { INDEX_EXCEPTIONS, POLICY_EXCEPTIONS } from './tenancy-exceptions.js'
import { FUNCTION_BODIES_JSON, VIOLATIONS_SQL } from './tenancy-rules.js'

/**
 * Holds the catalogue to what keeps tenants apart (docs/adr/0002-row-level-security.md). A migration that forgets a part
 * of it works, and shows one tenant's rows to another only when somebody looks.
 * @returns one phrase for each fault, `runs has no forced row-level security`; none when all is well
 */
export async function findTenancyViolations(client: Client, appRoleName: string): Promise<string[]> {
  // With a function outside the path, expressions are shown with its schema's name.
  await client.query('SET search_path TO public')
  const { rows } = await client.query<{ violation: string }>(VIOLATIONS_SQL, [
    appRoleName,
    Object.keys(POLICY_EXCEPTIONS),
    Object.keys(INDEX_EXCEPTIONS),
    FUNCTION_BODIES_JSON,
  ])
  return rows.map(({ violation }) => violation)
}
