import { Injectable } from '@nestjs/common'
import { InjectMetric } from '@willsoto/nestjs-prometheus'
import { PinoLogger } from 'nestjs-pino'
import { Counter } from 'prom-client'
import { AppConfig } from '../../config/app-config.js'
import { requestContext, type RequestContext } from '../../http/request-context.js'
import type { StatementConfig } from '../statement.js'
import { N_PLUS_ONE } from './database-metrics.js'
import { statementLabel } from './statement-label.js'

/** As often may one request say one thing. */
const N_PLUS_ONE_THRESHOLD = 10
/** A loop asks again at once. Who asks again after so long waits for something: a run's end, a stream's next event. */
const POLL_GAP_MS = 1000
/** What stands around statements that are counted themselves. */
const NOT_COUNTED: ReadonlySet<string> = new Set(['COMMIT', 'rescope'])

interface Said {
  count: number
  lastMs: number
  isTold: boolean
}

/**
 * Finds requests that ask row by row for what one statement could have asked for. It counts what is said over the connections of
 * requests: a run that a request has begun, and what else goes on behind it, has those of background work. Not in production.
 */
@Injectable()
export class NPlusOneDetector {
  readonly isOn: boolean
  private readonly requests = new WeakMap<RequestContext, Map<string, Said>>()

  constructor(
    config: AppConfig,
    private readonly logger: PinoLogger,
    @InjectMetric(N_PLUS_ONE) private readonly findings: Counter,
  ) {
    logger.setContext(NPlusOneDetector.name)
    this.isOn = !config.isProduction
  }

  /** Of the request under way; nothing outside of one. */
  count(statements: readonly StatementConfig[], nowMs: number): void {
    const context = requestContext.getStore()
    if (!context) return
    let said = this.requests.get(context)
    if (!said) this.requests.set(context, (said = new Map()))
    for (const statement of statements) this.countOne(statement, nowMs, said)
  }

  private countOne(statement: StatementConfig, nowMs: number, said: Map<string, Said>): void {
    const key = statement.name ?? statement.text
    if (NOT_COUNTED.has(key)) return
    const before = said.get(key)
    if (!before) return void said.set(key, { count: 1, lastMs: nowMs, isTold: false })
    before.count = nowMs - before.lastMs > POLL_GAP_MS ? 1 : before.count + 1
    before.lastMs = nowMs
    if (before.count <= N_PLUS_ONE_THRESHOLD || before.isTold) return
    before.isTold = true
    this.tell(statement, before.count)
  }

  /** The route is among what every line of a request says. */
  private tell(statement: StatementConfig, count: number): void {
    this.findings.inc()
    this.logger.warn({ event: 'n_plus_one', statement: statementLabel(statement), count }, 'n_plus_one')
  }
}
