import { Client } from 'pg'
import { Migrator } from '#platform/database/migrator.js'
import { createTestDatabase, type TestDatabase } from './test-database.js'

/** A database at this version's schema with no app on it, and a superuser's connection to it. */
export class MigratedDatabase implements AsyncDisposable {
  private constructor(
    private readonly database: TestDatabase,
    readonly superuser: Client,
    readonly appRoleName: string,
  ) {}

  static async create(): Promise<MigratedDatabase> {
    const database = await createTestDatabase()
    const name = `${new URL(database.url).pathname.slice(1)}_app`
    const appRole = { name, password: 'for tests' }
    await new Migrator({ ownerUrl: database.url, appRole, manageAppRole: true }).up()
    const superuser = new Client({ connectionString: database.url })
    await superuser.connect()
    return new MigratedDatabase(database, superuser, name)
  }

  get url(): string {
    return this.database.url
  }

  /** Runs `work` in a transaction that leaves nothing behind: DDL is undone with the rest, as in a new database. */
  async undone<T>(work: () => Promise<T>): Promise<T> {
    await this.superuser.query('BEGIN')
    try {
      return await work()
    } finally {
      await this.superuser.query('ROLLBACK')
    }
  }

  async rows<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.superuser.query<Row>(text, values)).rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.superuser.end()
    await this.database[Symbol.asyncDispose]()
  }
}
