import type { QueryResult } from 'pg'
import type { Database } from '#platform/database/database.js'
import type { Scope } from '#platform/database/scope.js'
import type { Statement } from '#platform/database/statement.js'
import { Tx } from '#platform/database/tx.js'

export interface RecordedStatement {
  readonly scope: Scope
  /** Of a prepared statement. */
  readonly name: string | null
  readonly text: string
  readonly values: readonly unknown[]
}

/** In the place of the database of repositories: notes down what they say to it, and finds nothing. */
export class RecordedDatabase {
  private readonly statements: RecordedStatement[] = []

  /** For a repository's constructor. */
  get database(): Database {
    const pool = {
      read: async (scope: Scope, statement: Statement) => this.note(scope, statement),
      transaction: <T>(scope: Scope, work: (tx: Tx) => Promise<T>) => work(this.tx(scope)),
      flight: <T>(scope: Scope, work: (tx: Tx) => Promise<T>) => work(this.tx(scope)),
    }
    return { ...pool, requests: pool, workers: pool, timers: pool } as unknown as Database
  }

  tx(scope: Scope): Tx {
    let current = scope
    const query = async (statement: Statement) => {
      // Said in the tenant's own scope from then on.
      if (statement.name === 'rescope') current = { tenantId: String(statement.values?.[0]) }
      const rows = statement.name === 'rescope' ? [] : this.note(current, statement)
      return { rows, rowCount: 0 } as unknown as QueryResult<never>
    }
    return new Tx({ query }, { scope, canPrepare: true })
  }

  /** What was said while `work` ran. */
  async during(work: () => Promise<unknown>): Promise<RecordedStatement[]> {
    const before = this.statements.length
    await work()
    return this.statements.slice(before)
  }

  private note(scope: Scope, { name, text, values = [] }: Statement): never[] {
    this.statements.push({ scope, name: name ?? null, text, values })
    return []
  }
}
