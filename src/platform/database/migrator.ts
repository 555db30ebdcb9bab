import { Client, escapeIdentifier } from 'pg'
import { PgBoss } from 'pg-boss'
import { DataSource } from 'typeorm'
import { JOBS_SCHEMA } from '../jobs/jobs-schema.js'
import { ensureAppRole, type AppRole } from './app-role.js'
import { loadSqlMigrations } from './sql-migrations.js'

/** Replicas that start together migrate one after the other. */
const MIGRATION_LOCK_KEY = 7_303_014_002

export interface MigratorOptions {
  /** The database as the role that owns the schema. */
  readonly ownerUrl: string
  readonly appRole: AppRole
  /** False when the operator made the role (DATABASE_APP_URL): it is then only granted to. */
  readonly manageAppRole: boolean
}

/** Brings a database to this version's schema: the role that serves requests, our tables, the job queue's tables. */
export class Migrator {
  /** Names of the migrations that this version has, as `schema_migrations` keeps them. */
  readonly known: readonly string[]
  private readonly dataSource: DataSource

  constructor(private readonly options: MigratorOptions) {
    const migrations = loadSqlMigrations(escapeIdentifier(options.appRole.name))
    this.known = migrations.map((Migration) => new Migration().name)
    this.dataSource = new DataSource({
      type: 'postgres',
      url: options.ownerUrl,
      migrations,
      migrationsTableName: 'schema_migrations',
      migrationsTransactionMode: 'each',
      poolSize: 1,
    })
  }

  /** Applies what is missing; a second call changes nothing. */
  async up(): Promise<string[]> {
    return this.withLock(async (client) => {
      if (this.options.manageAppRole) await ensureAppRole(client, this.options.appRole)
      const applied = await this.dataSource.runMigrations()
      await this.installJobs(client)
      return applied.map((migration) => migration.name)
    })
  }

  /** Undoes the newest migration; false when there is none left. */
  async down(): Promise<boolean> {
    return this.withLock(async (client) => {
      const { rows } = await client.query<{ exists: boolean }>(
        `SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
      )
      if (!rows[0]?.exists) return false
      const { rowCount } = await client.query('SELECT 1 FROM schema_migrations LIMIT 1')
      if (rowCount === 0) return false
      await this.dataSource.undoLastMigration()
      return true
    })
  }

  private async withLock<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.options.ownerUrl, application_name: 'temponest-migrator' })
    await client.connect()
    try {
      await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK_KEY])
      await this.dataSource.initialize()
      return await work(client)
    } finally {
      if (this.dataSource.isInitialized) await this.dataSource.destroy()
      await client.end()
    }
  }

  private async installJobs(client: Client): Promise<void> {
    const boss = new PgBoss({
      connectionString: this.options.ownerUrl,
      schema: JOBS_SCHEMA,
      max: 1,
      supervise: false,
      schedule: false,
    })
    boss.on('error', () => undefined)
    await boss.start()
    await boss.stop({ graceful: false })
    const role = client.escapeIdentifier(this.options.appRole.name)
    await client.query(`
      GRANT USAGE ON SCHEMA ${JOBS_SCHEMA} TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${JOBS_SCHEMA} TO ${role};
      GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${JOBS_SCHEMA} TO ${role};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${JOBS_SCHEMA} TO ${role};`)
  }
}
