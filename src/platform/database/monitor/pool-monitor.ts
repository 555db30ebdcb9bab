import type { StatementConfig } from '../statement.js'
import type { DurationSeries } from './duration-series.js'
import type { NPlusOneDetector } from './n-plus-one-detector.js'
import { leadingClass, type QueryClass, queryClassOf } from './query-class.js'
import type { SlowQueryLog } from './slow-query-log.js'

const MS_PER_SECOND = 1000

export interface PoolMonitorOptions {
  /** Name of the pool. */
  readonly pool: string
  /** In seconds. */
  readonly durations: Record<QueryClass, DurationSeries>
  readonly slowQueries: SlowQueryLog
  /** Absent where nobody counts. */
  readonly nPlusOne?: NPlusOneDetector
}

/** Is told by one pool what it sends and how long the answers take. Every statement passes here: nothing may cost anything. */
export class PoolMonitor {
  /** Of prepared statements, which are few. */
  private readonly classes = new Map<string, QueryClass>()

  constructor(private readonly options: PoolMonitorOptions) {}

  /** @param nowMs by `performance.now()` */
  sending(statements: readonly StatementConfig[], nowMs: number): void {
    this.options.nPlusOne?.count(statements, nowMs)
  }

  /** @param statements what was answered as one, whether with rows or with an error */
  answered(statements: readonly StatementConfig[], durationMs: number): void {
    const [statement] = statements
    if (!statement) return
    const queryClass =
      statements.length === 1 ? this.classOf(statement) : leadingClass(statements.map((one) => this.classOf(one)))
    const { pool, durations, slowQueries } = this.options
    durations[queryClass].add(durationMs / MS_PER_SECOND)
    if (durationMs >= slowQueries.thresholdMs) slowQueries.tell({ pool, queryClass, statements, durationMs })
  }

  private classOf({ name, text }: StatementConfig): QueryClass {
    if (name === undefined) return queryClassOf(text)
    let known = this.classes.get(name)
    if (!known) this.classes.set(name, (known = queryClassOf(text)))
    return known
  }
}
