import { Injectable } from '@nestjs/common'
import { InjectMetric, makeHistogramProvider } from '@willsoto/nestjs-prometheus'
import { Histogram } from 'prom-client'
import type { FinishedRequest } from '../http/request-hooks.js'

const NAME = 'http_request_duration_seconds'

/** How long requests take, by method, route template and status: few labels, however many URLs. */
@Injectable()
export class HttpMetrics {
  /** The series by their labels: to look one up here is cheaper than to let the library hash its labels. */
  private readonly series = new Map<string, Histogram.Internal<string>>()

  constructor(@InjectMetric(NAME) private readonly durations: Histogram) {}

  observe({ method, route, status, durationSeconds }: FinishedRequest): void {
    const key = `${method} ${status} ${route}`
    let series = this.series.get(key)
    if (!series) this.series.set(key, (series = this.durations.labels({ method, route, status })))
    series.observe(durationSeconds)
  }
}

export const httpMetricsProviders = [
  HttpMetrics,
  makeHistogramProvider({
    name: NAME,
    help: 'Time from the arrival of a request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  }),
]
