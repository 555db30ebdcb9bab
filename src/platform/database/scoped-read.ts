import { Query, type QueryResult } from 'pg'
import type { StatementConfig } from './statement.js'

/** The part of pg's wire connection that is used here. */
interface WireConnection {
  readonly parsedStatements: Record<string, string | undefined>
  parse(message: { name: string; text: string; types: [] }): void
  bind(message: { portal: string; statement: string; values: readonly unknown[] }): void
  execute(message: { portal: string; rows: number }): void
}

/** The methods of pg's `Query` that its own client calls; `@types/pg` leaves them out. */
interface QueryProtocol {
  prepare(connection: WireConnection): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: unknown): void
}

type Callback = (error: Error | null, result: QueryResult) => void
const BaseQuery = Query as unknown as new (config: object, callback: Callback) => Query & QueryProtocol

/**
 * A scope and one read in a single message to the server and a single answer. In the extended protocol all that comes
 * before one Sync is one transaction, with no BEGIN and no COMMIT to wait for (PostgreSQL documentation, "Pipelining"),
 * and the scope's transaction-local settings end with it. Half the messages of a four-statement pipeline.
 */
export class ScopedRead extends BaseQuery implements QueryProtocol {
  private isScopeSet = false

  constructor(
    statement: StatementConfig,
    private readonly scope: StatementConfig,
    callback: Callback,
  ) {
    super({ ...statement, queryMode: 'extended' }, callback)
  }

  override prepare(connection: WireConnection): void {
    const { name = '', text, values } = this.scope
    if (name === '' || connection.parsedStatements[name] === undefined) {
      connection.parse({ name, text, types: [] })
      if (name !== '') connection.parsedStatements[name] = text
    }
    connection.bind({ portal: '', statement: name, values })
    connection.execute({ portal: '', rows: 0 })
    super.prepare(connection)
  }

  /** The scope's own row was never described, and says nothing new. */
  override handleDataRow(message: unknown): void {
    if (this.isScopeSet) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.isScopeSet) super.handleCommandComplete(message, connection)
    else this.isScopeSet = true
  }
}
