import { hkdfSync } from 'node:crypto'
import { resolve } from 'node:path'
import { z } from 'zod'
import { ConfigError } from './config-error.js'
import { DevelopmentSecrets } from './development-secrets.js'
import { settingsSchema, type Settings } from './settings.js'

const JWT_SECRET_BYTES = 48
const DERIVED_KEY_BYTES = 32
const MIN_PRODUCTION_MEMORY_KIB = 19_456
const MIN_PRODUCTION_PASSES = 2

/** The configuration in use: every setting with its default applied, secrets filled in. */
export class AppConfig {
  readonly settings: Readonly<Settings>
  readonly jwtSecret: string
  readonly dataDir: string

  private constructor(settings: Settings) {
    this.settings = Object.freeze(settings)
    this.dataDir = resolve(settings.DATA_DIR)
    this.jwtSecret = settings.JWT_SECRET ?? this.secrets.getOrCreate('jwt-secret', JWT_SECRET_BYTES)
  }

  /**
   * Parses an environment. A blank value counts as unset, as in a copied `.env.example`.
   * @throws ConfigError naming every setting that is wrong, never its value.
   */
  static parse(environment: Record<string, string | undefined>): AppConfig {
    const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim()))
    const parsed = settingsSchema.safeParse(given)
    if (!parsed.success) throw new ConfigError(describeIssues(parsed.error))
    if (parsed.data.NODE_ENV === 'production') {
      requireProductionSecrets(parsed.data)
      refuseWeakHashing(parsed.data)
    }
    return new AppConfig(parsed.data)
  }

  /**
   * A key of 32 bytes for one named purpose, the same on every replica (HKDF, RFC 5869). Changes with JWT_SECRET.
   * @param secret one of JWT_PREVIOUS_SECRETS, for what was made under it
   */
  deriveKey(purpose: string, secret: string = this.jwtSecret): Buffer {
    return Buffer.from(hkdfSync('sha256', secret, 'temponest', purpose, DERIVED_KEY_BYTES))
  }

  /** The same of today's secret and, after it, of JWT_PREVIOUS_SECRETS: to check what a replica with another one made. */
  deriveKeys(purpose: string): readonly [Buffer, ...Buffer[]] {
    const previous = this.settings.JWT_PREVIOUS_SECRETS ?? []
    return [this.deriveKey(purpose), ...previous.map((secret) => this.deriveKey(purpose, secret))]
  }

  static fromProcess(): AppConfig {
    return AppConfig.parse(process.env)
  }

  get isProduction(): boolean {
    return this.settings.NODE_ENV === 'production'
  }

  /** Secrets that development makes for itself; never used where production demands its own. */
  get secrets(): DevelopmentSecrets {
    return new DevelopmentSecrets(this.dataDir)
  }
}

function describeIssues(error: z.ZodError): string {
  // By the setting alone: where in a list it goes wrong is no name of anything, and two entries say the same.
  const lines = error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`)
  return [...new Set(lines)].join('; ')
}

/** An embedded database's password is kept under DATA_DIR like the data themselves; the token secret must be the operator's. */
function requireProductionSecrets(settings: Settings): void {
  if (!settings.JWT_SECRET) throw new ConfigError('JWT_SECRET: required when NODE_ENV=production')
}

/** What OWASP's Password Storage Cheat Sheet calls the least for argon2id: 19 MiB and two passes. Less is for tests. */
function refuseWeakHashing({ ARGON2_MEMORY_KIB: memory, ARGON2_TIME_COST: passes }: Settings): void {
  if (memory < MIN_PRODUCTION_MEMORY_KIB) {
    throw new ConfigError(`ARGON2_MEMORY_KIB: at least ${MIN_PRODUCTION_MEMORY_KIB} when NODE_ENV=production`)
  }
  if (passes < MIN_PRODUCTION_PASSES) {
    throw new ConfigError(`ARGON2_TIME_COST: at least ${MIN_PRODUCTION_PASSES} when NODE_ENV=production`)
  }
}
