import { Injectable, type OnModuleInit } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import { Counter } from 'prom-client'
import { AgentDirectory } from '#modules/agents'
import { ModelCallBooked } from '#modules/costs'
import { RunFinished } from '#modules/runs'
import { EventBus } from '#platform/events/event-bus.js'

const RUNS = 'temponest_runs_finished_total'
const TOKENS = 'temponest_run_tokens_total'
/** Stands for all agents that tenants have made. */
const OWN_AGENTS = 'own'

/** Counts runs as they end on this replica, and tokens as they are booked. */
@Injectable()
export class RunMetrics implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly agents: AgentDirectory,
    @InjectMetric(RUNS) private readonly runs: Counter,
    @InjectMetric(TOKENS) private readonly tokens: Counter,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(RunFinished, async ({ type, outcome }, tx) => {
      // Tenants name agents as they like, and a label for each would be one series for each.
      const agent = this.agents.isBuiltIn(outcome.agent) ? outcome.agent : OWN_AGENTS
      tx.afterCommit(() => this.runs.inc({ agent, status: type.slice('run.'.length) }))
    })
    // Of each call by itself: what a run has used holds what its children have.
    this.events.subscribe(ModelCallBooked, async ({ inputTokens, outputTokens }, tx) => {
      tx.afterCommit(() => {
        this.tokens.inc({ direction: 'input' }, inputTokens)
        this.tokens.inc({ direction: 'output' }, outputTokens)
      })
    })
  }
}

export const runMetricsProviders = [
  RunMetrics,
  makeCounterProvider({ name: RUNS, help: 'Runs that have ended.', labelNames: ['agent', 'status'] }),
  makeCounterProvider({ name: TOKENS, help: 'Tokens that runs have used.', labelNames: ['direction'] }),
]
