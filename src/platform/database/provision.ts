import { join } from 'node:path'
import { Client } from 'pg'
import type { AppConfig } from '../config/app-config.js'
import { ConfigError } from '../config/config-error.js'
import { deriveAppRole, refusePrivilegedRole, type AppRole } from './app-role.js'
import { EmbeddedCluster } from './embedded/embedded-cluster.js'
import { Migrator } from './migrator.js'

const PASSWORD_BYTES = 24
const CONNECT_TIMEOUT_MS = 5000
/** PostgreSQL 15 brought `security_invoker` views, which the tenancy stands on. */
const MIN_SERVER_VERSION = 150_000

/** A database that is reachable, migrated and safe to serve from. */
export interface ProvisionedDatabase {
  /** Connection string of the role that serves requests. */
  readonly appUrl: string
  /** For people: which server and database this is, with no secret in it. */
  readonly description: string
  /** Stops the embedded server, where there is one. */
  close(): Promise<void>
}

/** A database that cannot be used. The message is one line that names the setting to change. */
export class DatabaseUnusableError extends ConfigError {
  override readonly name: string = 'DatabaseUnusableError'
}

/** Starts or reaches the database, and migrates it. Leaves nothing running when it fails. */
export async function provisionDatabase(config: AppConfig): Promise<ProvisionedDatabase> {
  const target = await openOwnerTarget(config)
  try {
    // An operator's role has to be there before it is granted to; ours comes with the migrations.
    if (!target.manageAppRole) await checkAppRole(target)
    await migrate(target)
    await checkAppRole(target)
    return { appUrl: target.appUrl, description: target.description, close: async () => target[Symbol.asyncDispose]() }
  } catch (error) {
    await target[Symbol.asyncDispose]()
    throw error
  }
}

/** The database as its owner, started if it is ours to start; disposing stops it again. */
export async function openOwnerTarget(config: AppConfig): Promise<Target & AsyncDisposable & { description: string }> {
  const cluster = config.settings.DATABASE_URL ? undefined : await startEmbedded(config)
  const target = describeTarget(config, cluster?.url)
  const description = cluster
    ? `PostgreSQL ${cluster.version}, embedded in ${config.dataDir}`
    : `PostgreSQL at ${redact(target.ownerUrl)}`
  return { ...target, description, [Symbol.asyncDispose]: async () => cluster?.stop() }
}

interface Target {
  readonly ownerUrl: string
  readonly appUrl: string
  readonly appRole: AppRole
  readonly manageAppRole: boolean
}

async function startEmbedded(config: AppConfig): Promise<EmbeddedCluster> {
  const password = config.secrets.getOrCreate('database-password', PASSWORD_BYTES)
  try {
    return await EmbeddedCluster.start({ directory: join(config.dataDir, 'postgres'), password })
  } catch (cause) {
    throw new DatabaseUnusableError(`DATA_DIR: ${messageOf(cause)}`, { cause })
  }
}

/** Works out the two roles' connection strings from DATABASE_URL and, where given, DATABASE_APP_URL. */
function describeTarget(config: AppConfig, embeddedUrl?: string): Target {
  const ownerUrl = embeddedUrl ?? config.settings.DATABASE_URL ?? ''
  const owner = new URL(ownerUrl)
  if (config.settings.DATABASE_APP_URL) {
    const app = new URL(config.settings.DATABASE_APP_URL)
    const appRole = { name: decodeURIComponent(app.username), password: decodeURIComponent(app.password) }
    return { ownerUrl, appUrl: app.href, appRole, manageAppRole: false }
  }
  const database = decodeURIComponent(owner.pathname.slice(1)) || decodeURIComponent(owner.username)
  // Replicas share DATABASE_URL, so a password in it is a secret they have in common; else the token secret is.
  const appRole = deriveAppRole(database, owner.password || config.jwtSecret)
  const app = new URL(owner)
  app.username = encodeURIComponent(appRole.name)
  app.password = encodeURIComponent(appRole.password)
  return { ownerUrl, appUrl: app.href, appRole, manageAppRole: true }
}

async function migrate(target: Target): Promise<void> {
  await checkServer(target.ownerUrl)
  try {
    await new Migrator(target).up()
  } catch (cause) {
    throw new DatabaseUnusableError(`DATABASE_URL: migration failed: ${messageOf(cause)}`, { cause })
  }
}

/** The role that serves must be able to sign in, and unable to step around row-level security. */
async function checkAppRole({ appUrl, appRole, manageAppRole }: Target): Promise<void> {
  const client = new Client({ connectionString: appUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  try {
    await client.connect()
    await refusePrivilegedRole(client)
  } catch (cause) {
    const setting = manageAppRole ? 'DATABASE_URL' : 'DATABASE_APP_URL'
    throw new DatabaseUnusableError(`${setting}: cannot serve as the role ${appRole.name}: ${messageOf(cause)}`, {
      cause,
    })
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function checkServer(ownerUrl: string): Promise<void> {
  const client = new Client({ connectionString: ownerUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  try {
    await client.connect()
    const { rows } = await client.query<{ version: number; name: string }>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`,
    )
    if ((rows[0]?.version ?? 0) < MIN_SERVER_VERSION)
      throw new Error(`PostgreSQL ${rows[0]?.name} is too old: 15 or newer`)
  } catch (cause) {
    throw new DatabaseUnusableError(`DATABASE_URL: cannot use ${redact(ownerUrl)}: ${messageOf(cause)}`, { cause })
  } finally {
    await client.end().catch(() => undefined)
  }
}

function redact(connectionString: string): string {
  const url = new URL(connectionString)
  return `${url.host}${url.pathname}`
}

/** A connection refused on several addresses is an AggregateError with an empty message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
