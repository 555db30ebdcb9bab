import { DatabaseError } from 'pg'
import { type Scope, scopeStatement } from '#platform/database/scope.js'
import type { MigratedDatabase } from '../support/migrated-database.js'
import { makeRow, newWorld, type Row, scopeOf, TABLES_WITH_FACTORY, type World } from './world.js'

const LIMITS = { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000, idleTimeoutMs: 10_000 }
const UNIQUE_VIOLATION = '23505'
const REFUSED_BY_POLICY = /row-level security policy/

/** Purposes that may do more than look at rows that have had their time, and the one table that each has to itself. */
const TABLES_OF_PURPOSES: Readonly<Record<string, string>> = {
  'rate-limits': 'rate_limit_windows',
  'csp-reports': 'csp_reports',
  'scheduler.watch': 'scheduler_watch',
}

interface Attack {
  readonly role: string
  readonly scope: Scope
  readonly table: string
}

/**
 * Tries to get at the rows of another tenant, one table and one kind of statement at a time. All else that would be in
 * the way is taken out of it first (missing grants, foreign keys, triggers), so that what holds is the policies alone.
 */
export class Probes {
  /** Where their row of each table is. A row that is changed moves. */
  private readonly places = new Map<string, string>()

  private constructor(
    readonly database: MigratedDatabase,
    readonly mine: World,
    readonly theirs: World,
    private readonly ownerName: string,
  ) {}

  static async prepare(database: MigratedDatabase): Promise<Probes> {
    const { appRoleName, superuser } = database
    const ownerName = `${appRoleName}_owner`
    await superuser.query(`CREATE ROLE ${ownerName}`)
    const probes = new Probes(database, newWorld(), newWorld(), ownerName)
    for (const table of await probes.tables()) {
      // A superuser is not bound by FORCE either: only a plain owner can tell whether it is there.
      await superuser.query(
        `ALTER TABLE ${table} OWNER TO ${ownerName}; GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${appRoleName}`,
      )
    }
    for (const table of TABLES_WITH_FACTORY) {
      await probes.insert(table, makeRow(table, probes.mine))
      probes.places.set(table, await probes.insert(table, makeRow(table, probes.theirs)))
    }
    return probes
  }

  /** Takes the role of the tables' owner away, and the tables with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.superuser.query(`DROP OWNED BY ${this.ownerName} CASCADE; DROP ROLE ${this.ownerName}`)
  }

  /** All tables that policies are there for, by the catalogue; new ones come by themselves. */
  async tables(): Promise<string[]> {
    const rows = await this.database.rows<{ name: string }>(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'`,
    )
    const names = rows.map(({ name }) => name)
    const order = (name: string): number => TABLES_WITH_FACTORY.indexOf(name)
    return names.sort((a, b) => order(a) - order(b))
  }

  /** Purposes that any policy names. */
  async purposes(): Promise<string[]> {
    const rows = await this.database.rows<{ purpose: string }>(
      `SELECT DISTINCT found[1] AS purpose
         FROM pg_policies, regexp_matches(concat(qual, with_check), 'app[_.]purpose[^=]*= ''([^'']+)''', 'g') AS found`,
    )
    return rows.map(({ purpose }) => purpose)
  }

  /** @returns where the row is */
  async insert(table: string, row: Row): Promise<string> {
    const rows = await this.database.rows<{ place: string }>(
      `${insertStatement(table, row)} RETURNING ctid::text AS place`,
      Object.values(row),
    )
    return rows[0]?.place ?? ''
  }

  /**
   * The statements that get at a row of theirs, as they are found; none where the policies hold. Must be read in a transaction.
   * @throws Error for a table without a factory
   */
  async *leaksOf(table: string): AsyncGenerator<string> {
    if (!this.places.has(table)) throw new Error(`add a factory for ${table} to test/tenancy/world.ts`)
    const { appRoleName } = this.database
    const purposes = (await this.purposes()).filter((purpose) => TABLES_OF_PURPOSES[purpose] !== table)
    const scopes: Scope[] = [{}, scopeOf(this.mine), ...purposes.map((purpose) => ({ purpose }))]
    const attacks: Attack[] = [
      { role: this.ownerName, scope: scopeOf(this.mine), table },
      ...scopes.map((scope) => ({ role: appRoleName, scope, table })),
    ]
    for (const attack of attacks) {
      for (const [kind, succeeds] of Object.entries(this.kinds)) {
        if (await this.attempt(attack, succeeds)) yield `${kind} ${table} ${JSON.stringify(attack.scope)}`
      }
    }
  }

  /** Runs one statement as the role that serves, in a scope, and undoes it. @returns the number of rows that it met */
  async reach(scope: Scope, sql: string): Promise<number> {
    const attack = { role: this.database.appRoleName, scope, table: '' }
    return this.attempt(attack, async () => (await this.database.superuser.query(sql)).rowCount ?? 0)
  }

  /** Each resolves with true when it got at something. */
  private readonly kinds: Readonly<Record<string, (table: string) => Promise<boolean>>> = {
    SELECT: async (table) => {
      const rows = await this.database.rows<{ place: string }>(`SELECT ctid::text AS place FROM ${table}`)
      return rows.some(({ place }) => place === this.places.get(table))
    },
    INSERT: async (table) => {
      const row = makeRow(table, this.theirs)
      return (await this.outcome(insertStatement(table, row), Object.values(row))) !== 'refused'
    },
    // Reads no column, so that no policy for SELECT is in the way.
    UPDATE: async (table) => {
      const [column, value] = await this.plainColumn(table)
      return this.harms(table, `UPDATE ${table} SET ${column} = $1`, [value])
    },
    DELETE: (table) => this.harms(table, `DELETE FROM ${table}`),
    'give away by UPDATE': async (table) => {
      const row = makeRow(table, this.theirs)
      const assignments = Object.keys(row).map((column, index) => `${column} = $${index + 1}`)
      const outcome = await this.outcome(`UPDATE ${table} SET ${assignments.join()}`, Object.values(row))
      return outcome !== 'refused' && outcome !== 0
    },
  }

  private async attempt<T>({ role, scope, table }: Attack, work: (table: string) => Promise<T>): Promise<T> {
    const { superuser } = this.database
    await superuser.query('SAVEPOINT attack; SET LOCAL session_replication_role = replica')
    try {
      const { text, values } = scopeStatement(scope, LIMITS)
      await superuser.query(text, [...(values ?? [])])
      await superuser.query(`SET LOCAL ROLE ${role}`)
      return await work(table)
    } finally {
      await superuser.query('ROLLBACK TO attack')
    }
  }

  /**
   * The number of rows, or what stopped the statement. Policies are asked before keys: where a key stopped it, the
   * policies had let it pass.
   */
  private async outcome(sql: string, values: unknown[] = []): Promise<number | 'refused' | 'duplicate'> {
    try {
      return (await this.database.superuser.query(sql, values)).rowCount ?? 0
    } catch (error) {
      if (error instanceof DatabaseError && REFUSED_BY_POLICY.test(error.message)) return 'refused'
      if (error instanceof DatabaseError && error.code === UNIQUE_VIOLATION) return 'duplicate'
      throw error
    }
  }

  /** Whether their row is another one afterwards. A refusal counts: it comes only once such a row was found. */
  private async harms(table: string, sql: string, values: unknown[] = []): Promise<boolean> {
    if ((await this.outcome(sql, values)) === 'refused') return true
    await this.database.superuser.query('RESET ROLE')
    const left = await this.database.rows(`SELECT 1 FROM ${table} WHERE ctid = $1::tid`, [this.places.get(table)])
    return left.length === 0
  }

  /** A column outside every key, with a value that it may have. */
  private async plainColumn(table: string): Promise<[column: string, value: unknown]> {
    const row = makeRow(table, this.mine)
    const keyed = await this.database.rows<{ name: string }>(
      `SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = $1::regclass AND i.indisunique`,
      [table],
    )
    const column = Object.keys(row).find((name) => keyed.every((key) => key.name !== name))
    if (column === undefined) throw new Error(`${table} has no column outside its keys`)
    return [column, row[column]]
  }
}

function insertStatement(table: string, row: Row): string {
  const columns = Object.keys(row)
  return `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map((_, index) => `$${index + 1}`).join()})`
}
