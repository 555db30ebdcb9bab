import { join } from 'node:path'
import type { AppConfig } from '../config/app-config.js'
import { type AppRole, deriveAppRole } from './app-role.js'
import { EmbeddedCluster } from './embedded/embedded-cluster.js'
import { Migrator } from './migrator.js'
import { throughPooler } from './pooler-url.js'
import {
  checkAppRole,
  checkPooler,
  checkServer,
  checkTenancy,
  DatabaseUnusableError,
  messageOf,
  redact,
} from './preflight.js'

const PASSWORD_BYTES = 24

/** A database that is reachable, migrated and safe to serve from. */
export interface ProvisionedDatabase {
  /** Connection string of the role that serves requests. */
  readonly appUrl: string
  /** For people: which server and database this is, with no secret in it. */
  readonly description: string
  /** Migrations of a newer version: by the lists of this one, `tenancy_check_skipped`, the schema was not judged. */
  readonly unknownMigrations: readonly string[]
  /** Stops the embedded server, where there is one. */
  close(): Promise<void>
}

export interface ProvisionOptions {
  /** For what may run beside a server: an embedded cluster that the server owns is used, and left running. */
  readonly mayShare?: boolean
}

/**
 * Starts or reaches the database, and migrates it. Leaves nothing running when it fails.
 * @throws DatabaseUnusableError, also when the schema would not keep tenants apart
 */
export async function provisionDatabase(
  config: AppConfig,
  options: ProvisionOptions = {},
): Promise<ProvisionedDatabase> {
  const target = await openOwnerTarget(config, options)
  try {
    const { appUrl, appRole, manageAppRole } = target
    const setting = manageAppRole ? 'DATABASE_URL' : 'DATABASE_APP_URL'
    // An operator's role has to be there before it is granted to; ours comes with the migrations.
    if (!manageAppRole) await checkAppRole({ url: appUrl, setting, role: appRole.name })
    const unknownMigrations = await migrate(target)
    await checkAppRole({ url: appUrl, setting, role: appRole.name })
    const poolerUrl = config.settings.DATABASE_POOLER_URL
    if (poolerUrl !== undefined) {
      const url = throughPooler(appUrl, poolerUrl)
      await checkPooler({ url, setting: 'DATABASE_POOLER_URL', role: appRole.name }, appUrl)
    }
    const { description } = target
    return { appUrl, description, unknownMigrations, close: async () => target[Symbol.asyncDispose]() }
  } catch (error) {
    await target[Symbol.asyncDispose]()
    throw error
  }
}

/** The database as its owner, started if it is ours to start; disposing stops it again. */
export async function openOwnerTarget(
  config: AppConfig,
  options: ProvisionOptions = {},
): Promise<Target & AsyncDisposable & { description: string }> {
  const cluster = config.settings.DATABASE_URL ? undefined : await startEmbedded(config, options)
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

async function startEmbedded(config: AppConfig, { mayShare = false }: ProvisionOptions): Promise<EmbeddedCluster> {
  const password = config.secrets.getOrCreate('database-password', PASSWORD_BYTES)
  try {
    return await EmbeddedCluster.start({ directory: join(config.dataDir, 'postgres'), password, mayShare })
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

async function migrate(target: Target): Promise<string[]> {
  await checkServer(target.ownerUrl)
  const migrator = new Migrator(target)
  try {
    await migrator.up()
  } catch (cause) {
    throw new DatabaseUnusableError(`DATABASE_URL: migration failed: ${messageOf(cause)}`, { cause })
  }
  const { ownerUrl, appRole } = target
  return checkTenancy(ownerUrl, { appRoleName: appRole.name, knownMigrations: migrator.known })
}
