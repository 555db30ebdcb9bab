import { hkdfSync } from 'node:crypto'
import { JOBS_SCHEMA } from '../jobs/jobs-schema.js'
import { scramVerifier } from './scram-verifier.js'
import type { Client } from 'pg'

const PASSWORD_BYTES = 32
const SUFFIX = '_app'
/** PostgreSQL cuts longer identifiers off. */
const MAX_IDENTIFIER_LENGTH = 63

/**
 * What holds a session of the role that goes around our code, such as psql. Ours set limits of their own with each transaction
 * (`scope.ts`), and the job queue, which sets none, stays far below these. The owner has none: a migration may take its time.
 */
const ROLE_LIMITS = {
  statement_timeout: '60s',
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '60s',
}

/** The login role that serves requests: it owns nothing and row-level security binds it. */
export interface AppRole {
  readonly name: string
  readonly password: string
}

/**
 * The role for one database, named after it. Its password is derived from a secret that all replicas share, so that
 * none has to hand it to another (HKDF, RFC 5869).
 */
export function deriveAppRole(database: string, secret: string): AppRole {
  const password = hkdfSync('sha256', secret, 'temponest', `database role of ${database}`, PASSWORD_BYTES)
  const name = database.slice(0, MAX_IDENTIFIER_LENGTH - SUFFIX.length) + SUFFIX
  return { name, password: Buffer.from(password).toString('base64url') }
}

/** Makes the role, or brings it to what it should be. Runs under the migrator's lock, as the owner. */
export async function ensureAppRole(owner: Client, role: AppRole): Promise<void> {
  const name = owner.escapeIdentifier(role.name)
  const { rowCount } = await owner.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role.name])
  if (rowCount === 0) await owner.query(`CREATE ROLE ${name} NOLOGIN`)
  // The verifier, not the password: statements like this one are what servers log.
  await owner.query(`ALTER ROLE ${name} LOGIN NOINHERIT PASSWORD ${owner.escapeLiteral(scramVerifier(role.password))}`)
  for (const [setting, limit] of Object.entries(ROLE_LIMITS))
    await owner.query(`ALTER ROLE ${name} SET ${setting} = '${limit}'`)
}

/**
 * @throws Error when the role could step around row-level security: by what it is, or by what it could become with
 * SET ROLE, which NOINHERIT does not forbid. Who owns the schema drops what is in it, who owns `app_tenant()` rewrites it,
 * and who creates roles may grant himself others. The database's owner has `pg_database_owner`, which owns `public`.
 */
export async function refusePrivilegedRole(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string; privileged: string | null }>(
    `SELECT current_user AS name,
            (SELECT min(r.rolname) FROM pg_roles r
              WHERE pg_has_role(current_user, r.oid, 'MEMBER')
                AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole
                     OR EXISTS (SELECT 1 FROM pg_namespace n
                                 WHERE n.nspname IN ('public', '${JOBS_SCHEMA}') AND n.nspowner = r.oid)
                     OR EXISTS (SELECT 1 FROM pg_class c
                                 WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = r.oid)
                     OR EXISTS (SELECT 1 FROM pg_proc f
                                 WHERE f.pronamespace = 'public'::regnamespace AND f.proowner = r.oid)))
              AS privileged`,
  )
  const { name = '?', privileged = '?' } = rows[0] ?? {}
  if (privileged === null) return
  const who =
    name === privileged ? `the database role ${name}` : `the database role ${name} may become ${privileged}, which`
  throw new Error(
    `${who} is a superuser, bypasses row-level security, may create roles, or owns the database, a schema, a table or a ` +
      'function that policies may call: DATABASE_APP_URL must name another',
  )
}
