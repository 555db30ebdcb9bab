import type { PoolClient, QueryResult, QueryResultRow } from 'pg'
import type { PoolMonitor } from './monitor/pool-monitor.js'
import type { StatementConfig } from './statement.js'
import type { StatementSink } from './tx.js'

/** A connection for the length of one transaction: tells how long each statement took. */
export class MeasuredConnection implements StatementSink {
  private lastAnswerMs = 0

  constructor(
    private readonly client: PoolClient,
    private readonly monitor: PoolMonitor,
  ) {}

  query<Row extends QueryResultRow>(statement: StatementConfig): Promise<QueryResult<Row>> {
    const sentAtMs = performance.now()
    const statements = [statement]
    this.monitor.sending(statements, sentAtMs)
    const answer = this.client.query<Row>(statement)
    const note = (): void => {
      const nowMs = performance.now()
      // What is sent behind another waits for it: that time is the other's.
      this.monitor.answered(statements, nowMs - Math.max(sentAtMs, this.lastAnswerMs))
      this.lastAnswerMs = nowMs
    }
    answer.then(note, note)
    return answer
  }
}
