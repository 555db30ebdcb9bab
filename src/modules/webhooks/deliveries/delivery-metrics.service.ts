import { Injectable } from '@nestjs/common'
import {
  InjectMetric,
  makeCounterProvider,
  makeGaugeProvider,
  makeHistogramProvider,
} from '@willsoto/nestjs-prometheus'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Outcome } from './outcome.js'

const ATTEMPTS = 'temponest_webhook_attempts_total'
const DURATION = 'temponest_webhook_attempt_duration_seconds'
const LATENESS = 'temponest_webhook_delivery_lateness_seconds'
const IN_FLIGHT = 'temponest_webhook_deliveries_in_flight'

/** Deliveries of this replica. Without labels for endpoints: tenants make them. */
@Injectable()
export class DeliveryMetrics {
  constructor(
    @InjectMetric(ATTEMPTS) private readonly attempts: Counter,
    @InjectMetric(DURATION) private readonly duration: Histogram,
    @InjectMetric(LATENESS) private readonly lateness: Histogram,
    @InjectMetric(IN_FLIGHT) private readonly inFlight: Gauge,
  ) {}

  count({ delivery, attempt, status }: Outcome): void {
    this.attempts.inc({ outcome: status })
    this.duration.observe(attempt.durationMs / 1000)
    this.lateness.observe(Math.max(0, attempt.startedAt.getTime() - delivery.dueAt.getTime()) / 1000)
  }

  setInFlight(deliveries: number): void {
    this.inFlight.set(deliveries)
  }
}

export const deliveryMetricsProviders = [
  DeliveryMetrics,
  makeCounterProvider({
    name: ATTEMPTS,
    help: 'Attempts to deliver webhooks, by what came of the delivery: delivered, retrying or exhausted.',
    labelNames: ['outcome'],
  }),
  makeHistogramProvider({
    name: DURATION,
    help: 'How long receivers of webhooks took to answer.',
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
  }),
  makeHistogramProvider({
    name: LATENESS,
    help: 'How long deliveries were due before they were sent; for endpoints with a pace, a pause or an open circuit, that included.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
  }),
  makeGaugeProvider({ name: IN_FLIGHT, help: 'Deliveries of webhooks under way on this replica.' }),
]
