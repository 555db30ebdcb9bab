import { Query, type QueryResult } from 'pg'
import type { StatementConfig } from './statement.js'

/** The part of pg's wire connection that is used here. */
interface WireConnection {
  readonly parsedStatements: Record<string, string>
  readonly submittedNamedStatements: Record<string, string>
  sync(): void
  /** Every message goes through here. */
  _send(message: Buffer): void
}

/** The methods of pg's `Query` that its own client calls, and that `@types/pg` leaves out. */
interface QueryProtocol {
  /** pg's client replaces it by one that ends the time limit, too. */
  callback: Callback
  name?: string
  queryMode?: 'extended'
  _results: QueryResult
  /** What was wrong with a row; false: nothing. */
  _canceledDueToError: Error | false
  prepare(connection: WireConnection): void
  handleRowDescription(message: unknown): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: WireConnection): void
  handleReadyForQuery(connection: WireConnection): void
}

type WireQuery = Query & QueryProtocol
type Callback = (error: Error | null, results: readonly QueryResult[]) => void
const BaseQuery = Query as unknown as new (config: object | string, more?: Callback | unknown[]) => WireQuery

/**
 * Several statements in a single message to the server, with a single answer. In the extended protocol all that comes before
 * one Sync is one transaction, with no BEGIN and no COMMIT to wait for (PostgreSQL documentation, "Pipelining"): the first
 * statement that fails ends it, and then nothing of it has happened.
 */
export class StatementBatch extends BaseQuery implements QueryProtocol {
  private readonly members: readonly WireQuery[]
  private answered = 0

  /** @param callback gets one result for each statement */
  constructor(
    readonly statements: readonly StatementConfig[],
    callback: Callback,
  ) {
    super({ text: '', queryMode: 'extended' }, callback)
    this.members = statements.map(toMember)
  }

  override prepare(connection: WireConnection): void {
    const messages: Buffer[] = []
    const collector = Object.create(connection, {
      sync: { value: () => undefined },
      // Some thirty of a dozen bytes: one write of all costs less than to keep them apart down to the system call.
      _send: { value: (message: Buffer) => void messages.push(message) },
    }) as WireConnection
    for (const member of this.members) member.prepare(collector)
    connection._send(Buffer.concat(messages))
    connection.sync()
  }

  override handleRowDescription(message: unknown): void {
    this.members[this.answered]?.handleRowDescription(message)
  }

  override handleDataRow(message: unknown): void {
    this.members[this.answered]?.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: WireConnection): void {
    this.members[this.answered]?.handleCommandComplete(message, connection)
    this.answered += 1
  }

  override handleReadyForQuery(connection: WireConnection): void {
    // The client knows of one name a query, and a batch has none: what it forgets after an error would be prepared twice.
    for (const { name = '', text } of this.statements) {
      if (name === '') continue
      connection.parsedStatements[name] = text
      delete connection.submittedNamedStatements[name]
    }
    const broken = this.members.find(({ _canceledDueToError }) => _canceledDueToError)
    this.callback(
      broken?._canceledDueToError || null,
      this.members.map(({ _results }) => _results),
    )
  }
}

/** pg would copy a whole config, property by property. */
function toMember({ name, text, values }: StatementConfig): WireQuery {
  const query = new BaseQuery(text, values)
  if (name !== undefined) query.name = name
  query.queryMode = 'extended'
  return query
}
