import { Injectable, type OnModuleInit } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import { Counter } from 'prom-client'
import { RunFinished } from '#modules/runs'
import { EventBus } from '#platform/events/event-bus.js'

const RUNS = 'temponest_runs_finished_total'
const TOKENS = 'temponest_run_tokens_total'

/** Counts runs and their tokens as they end on this replica. */
@Injectable()
export class RunMetrics implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    @InjectMetric(RUNS) private readonly runs: Counter,
    @InjectMetric(TOKENS) private readonly tokens: Counter,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(RunFinished, async ({ type, outcome }, tx) => {
      tx.afterCommit(() => {
        this.runs.inc({ agent: outcome.agent, status: type.slice('run.'.length) })
        this.tokens.inc({ direction: 'input' }, outcome.inputTokens)
        this.tokens.inc({ direction: 'output' }, outcome.outputTokens)
      })
    })
  }
}

export const runMetricsProviders = [
  RunMetrics,
  makeCounterProvider({ name: RUNS, help: 'Runs that have ended.', labelNames: ['agent', 'status'] }),
  makeCounterProvider({ name: TOKENS, help: 'Tokens that runs have used.', labelNames: ['direction'] }),
]
