import { Client } from 'pg'
import { ConfigError } from '../config/config-error.js'
import { refusePrivilegedRole } from './app-role.js'
import { findTenancyViolations } from './tenancy-check.js'
import { LASTING_RULES, TENANCY_RULES } from './tenancy-rules.js'

const CONNECT_TIMEOUT_MS = 5000
/** PostgreSQL 15 brought `security_invoker` views, which the tenancy stands on. */
const MIN_SERVER_VERSION = 150_000
/** More would not be one line; the next start names those that are left. */
const MAX_VIOLATIONS_SHOWN = 5

/** A database that cannot be used. The message is one line that names the setting to change. */
export class DatabaseUnusableError extends ConfigError {
  override readonly name: string = 'DatabaseUnusableError'
}

/** Where a role comes in, and the setting to change when it cannot. */
export interface Entrance {
  readonly url: string
  readonly setting: string
  readonly role: string
}

/** @throws DatabaseUnusableError when nobody answers, or one that is too old */
export async function checkServer(ownerUrl: string): Promise<void> {
  const refusal = `DATABASE_URL: cannot use ${redact(ownerUrl)}`
  await withClient(ownerUrl, refusal, async (client) => {
    const { rows } = await client.query<{ version: number; name: string }>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`,
    )
    const [server] = rows
    if ((server?.version ?? 0) < MIN_SERVER_VERSION)
      throw new Error(`PostgreSQL ${server?.name} is too old: 15 or newer`)
  })
}

/** The role that serves must be able to sign in, and unable to step around row-level security. */
export async function checkAppRole({ url, setting, role }: Entrance): Promise<void> {
  await withClient(url, `${setting}: cannot serve as the role ${role}`, refusePrivilegedRole)
}

/** A pooler may be set to another database or to a role of its own, and nothing else would tell. */
export async function checkPooler(pooler: Entrance, directUrl: string): Promise<void> {
  const refusal = `${pooler.setting}: cannot serve as the role ${pooler.role}`
  const direct = await withClient(directUrl, refusal, whereAmI)
  await withClient(pooler.url, refusal, async (client) => {
    await refusePrivilegedRole(client)
    const { role, place } = await whereAmI(client)
    if (role !== direct.role) throw new Error(`the pooler makes it ${role}`)
    if (place !== direct.place) throw new Error('the pooler leads to another database')
  })
}

/**
 * The catalogue as it is now, whatever made it so. A schema that a newer version has migrated is that version's to judge
 * by lists of tables, policies and grants: ours do not know its own. What holds for any table is asked all the same, since
 * a row in `schema_migrations` is soon written.
 * @param knownMigrations names of the migrations that this version has
 * @returns names of the migrations that it does not have; none when the whole check was made
 */
export async function checkTenancy(
  ownerUrl: string,
  { appRoleName, knownMigrations }: { appRoleName: string; knownMigrations: readonly string[] },
): Promise<string[]> {
  return withClient(ownerUrl, `DATABASE_URL: the schema does not keep tenants apart`, async (client) => {
    const { rows: unknown } = await client.query<{ name: string }>(
      'SELECT name FROM schema_migrations WHERE name <> ALL ($1) ORDER BY timestamp',
      [knownMigrations],
    )
    const rules = unknown.length > 0 ? LASTING_RULES : TENANCY_RULES
    const violations = await findTenancyViolations(client, appRoleName, rules)
    if (violations.length > 0) throw new Error(summarise(violations))
    return unknown.map(({ name }) => name)
  })
}

function summarise(violations: readonly string[]): string {
  const rest = violations.length - MAX_VIOLATIONS_SHOWN
  return violations.slice(0, MAX_VIOLATIONS_SHOWN).join('; ') + (rest > 0 ? `; and ${rest} more` : '')
}

async function whereAmI(client: Client): Promise<{ role: string; place: string }> {
  const { rows } = await client.query<{ role: string; place: string }>(
    `SELECT current_user AS role, concat_ws(' ', d.oid, pg_postmaster_start_time()) AS place
       FROM pg_database d WHERE d.datname = current_database()`,
  )
  if (!rows[0]) throw new Error('pg_database does not have this database')
  return rows[0]
}

/** @throws DatabaseUnusableError `refusal: what went wrong` */
async function withClient<T>(url: string, refusal: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  try {
    await client.connect()
    return await work(client)
  } catch (cause) {
    throw new DatabaseUnusableError(`${refusal}: ${messageOf(cause)}`, { cause })
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Host and database, with no secret in it. */
export function redact(connectionString: string): string {
  const url = new URL(connectionString)
  return `${url.host}${url.pathname}`
}

/** A connection refused on several addresses is an AggregateError with an empty message. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
