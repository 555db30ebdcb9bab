import type { QueryResult, QueryResultRow } from 'pg'
import type { StatementConfig } from './statement.js'
import type { StatementSink } from './tx.js'

/** Statements of a transaction that will be sent as a whole, and who waits for each. */
export class CollectedStatements implements StatementSink {
  readonly statements: StatementConfig[] = []
  private readonly waiting: PromiseWithResolvers<QueryResult>[] = []

  query<Row extends QueryResultRow>(statement: StatementConfig): Promise<QueryResult<Row>> {
    const answer = Promise.withResolvers<QueryResult>()
    this.statements.push(statement)
    this.waiting.push(answer)
    return answer.promise as Promise<QueryResult<Row>>
  }

  /** @param results one for each statement, in their order */
  resolve(results: readonly QueryResult[]): void {
    for (const [index, result] of results.entries()) this.waiting[index]?.resolve(result)
  }

  reject(error: unknown): void {
    for (const { reject } of this.waiting) reject(error)
  }
}
