import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import type { Counter } from 'prom-client'

const NAME = 'temponest_csp_reports_total'

/** What became of the violations that browsers have reported to this replica. */
@Injectable()
export class CspReportMetrics {
  constructor(@InjectMetric(NAME) private readonly counter: Counter) {}

  count({ stored, dropped }: { stored: number; dropped: number }): void {
    this.counter.inc({ result: 'stored' }, stored)
    this.counter.inc({ result: 'dropped' }, dropped)
  }
}

export const cspReportMetricsProviders = [
  CspReportMetrics,
  makeCounterProvider({
    name: NAME,
    help: "Reported policy violations: stored; or dropped, as another site's or in a flood.",
    labelNames: ['result'],
  }),
]
