import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import type { Counter } from 'prom-client'
import { AppError } from '#kernel/app-error.js'

const NAME = 'temponest_outbound_requests_total'
const OUTCOME_OF_CODE: Readonly<Record<string, OutboundOutcome>> = {
  outbound_refused: 'refused',
  outbound_failed: 'failed',
  outbound_timeout: 'timeout',
  outbound_too_large: 'too_large',
}

/** `answered`: whatever the status; `refused`: by us, nothing was sent or its redirect not followed; `aborted`: by the caller. */
export type OutboundOutcome = 'answered' | 'refused' | 'failed' | 'timeout' | 'too_large' | 'aborted'

/** What became of requests to URLs that tenants gave, on this replica. */
@Injectable()
export class OutboundMetrics {
  constructor(@InjectMetric(NAME) private readonly counter: Counter) {}

  countAnswer(): void {
    this.count('answered')
  }

  countFailure(error: unknown): void {
    this.count((error instanceof AppError && OUTCOME_OF_CODE[error.code]) || 'aborted')
  }

  private count(outcome: OutboundOutcome): void {
    this.counter.inc({ outcome })
  }
}

export const outboundMetricsProviders = [
  OutboundMetrics,
  makeCounterProvider({
    name: NAME,
    help: 'Requests to URLs that tenants gave, by what became of them; a streamed answer counts with its headers.',
    labelNames: ['outcome'],
  }),
]
