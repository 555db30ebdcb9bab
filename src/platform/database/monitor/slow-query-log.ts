import { Injectable } from '@nestjs/common'
import { InjectMetric } from '@willsoto/nestjs-prometheus'
import { PinoLogger } from 'nestjs-pino'
import { Counter } from 'prom-client'
import { AppConfig } from '../../config/app-config.js'
import type { StatementConfig } from '../statement.js'
import { SLOW_QUERIES } from './database-metrics.js'
import type { QueryClass } from './query-class.js'
import { statementLabel } from './statement-label.js'

/** A database in trouble makes every statement slow, and its log must not become the next trouble. */
const MAX_LINES_PER_SECOND = 20
const MAX_STATEMENTS_NAMED = 20
const SECOND_MS = 1000

/** Statements with one answer: a single one, or those of a flight. */
export interface AnsweredQuery {
  readonly pool: string
  readonly queryClass: QueryClass
  readonly statements: readonly StatementConfig[]
  readonly durationMs: number
}

/** Tells of what took too long, and never of its parameters. */
@Injectable()
export class SlowQueryLog {
  /** From which on an answer is slow. */
  readonly thresholdMs: number
  private secondBeganMs = -Infinity
  private lines = 0
  private omitted = 0

  constructor(
    { settings }: AppConfig,
    private readonly logger: PinoLogger,
    @InjectMetric(SLOW_QUERIES) private readonly slowQueries: Counter,
  ) {
    logger.setContext(SlowQueryLog.name)
    this.thresholdMs = settings.DATABASE_SLOW_QUERY_MS || Infinity
  }

  tell({ pool, queryClass, statements, durationMs }: AnsweredQuery): void {
    this.slowQueries.inc({ pool, class: queryClass })
    if (!this.hasRoom()) return
    const labels = statements.slice(0, MAX_STATEMENTS_NAMED).map(statementLabel)
    const said = statements.length === 1 ? { statement: labels[0] } : { statements: labels, count: statements.length }
    const fields = { event: 'slow_query', pool, class: queryClass, durationMs: Math.round(durationMs), ...said }
    this.logger.warn({ ...fields, ...(this.omitted > 0 && { omitted: this.omitted }) }, 'slow_query')
    this.omitted = 0
  }

  private hasRoom(): boolean {
    const nowMs = performance.now()
    if (nowMs - this.secondBeganMs >= SECOND_MS) {
      this.secondBeganMs = nowMs
      this.lines = 0
    }
    const hasRoom = this.lines < MAX_LINES_PER_SECOND
    if (hasRoom) this.lines += 1
    else this.omitted += 1
    return hasRoom
  }
}
