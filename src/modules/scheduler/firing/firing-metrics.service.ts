import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider, makeHistogramProvider } from '@willsoto/nestjs-prometheus'
import { Counter, Histogram } from 'prom-client'
import type { LockedTurn } from './locked-turn.js'

const EXECUTIONS = 'temponest_schedule_executions_total'
const LATENESS = 'temponest_schedule_lateness_seconds'
const MS_PER_SECOND = 1000
/** Of executions without a run to come, the status tells. */
const OUTCOMES = { start: 'started', queue: 'queued', none: undefined }

/** Due times that this replica has seen to. Without labels for schedules: tenants make them. */
@Injectable()
export class FiringMetrics {
  constructor(
    @InjectMetric(EXECUTIONS) private readonly executions: Counter,
    @InjectMetric(LATENESS) private readonly lateness: Histogram,
  ) {}

  /** When they are committed. */
  note({ moves }: LockedTurn, firedAt: Date): void {
    for (const { status, run, dueAt } of moves.add) {
      this.executions.inc({ outcome: OUTCOMES[run] ?? status })
      if (run === 'start') this.lateness.observe((firedAt.getTime() - dueAt.getTime()) / MS_PER_SECOND)
    }
  }
}

export const firingMetricsProviders = [
  FiringMetrics,
  makeCounterProvider({
    name: EXECUTIONS,
    help: 'Due times of schedules, by what became of them: started, queued, skipped, failed or missed.',
    labelNames: ['outcome'],
  }),
  makeHistogramProvider({
    name: LATENESS,
    help: 'How long due times were due before their runs were made.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300],
  }),
]
