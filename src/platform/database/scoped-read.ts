import { Query, type QueryResult } from 'pg'
import { SET_SCOPE } from './scope.js'

/** The part of pg's wire connection that is used here. */
interface WireConnection {
  readonly parsedStatements: Record<string, string | undefined>
  parse(message: { name: string; text: string; types: [] }): void
  bind(message: { portal: string; statement: string; values: readonly string[] }): void
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
    statement: { name?: string; text: string; values: unknown[] },
    private readonly scopeValues: readonly string[],
    callback: Callback,
  ) {
    super({ ...statement, queryMode: 'extended' }, callback)
  }

  override prepare(connection: WireConnection): void {
    if (connection.parsedStatements[SET_SCOPE.name] === undefined) {
      connection.parse({ ...SET_SCOPE, types: [] })
      connection.parsedStatements[SET_SCOPE.name] = SET_SCOPE.text
    }
    connection.bind({ portal: '', statement: SET_SCOPE.name, values: this.scopeValues })
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
