import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import type { Counter } from 'prom-client'

const REQUESTS = 'temponest_llm_cache_requests_total'
const SAVED_USD = 'temponest_llm_cache_saved_usd_total'

/** What kept answers did on this replica. */
@Injectable()
export class LlmCacheMetrics {
  constructor(
    @InjectMetric(REQUESTS) private readonly requests: Counter,
    @InjectMetric(SAVED_USD) private readonly saved: Counter,
  ) {}

  /** @param savedUsd decimal; as a float here, where the row has it exactly */
  countHit(savedUsd: string): void {
    this.requests.inc({ result: 'hit' })
    this.saved.inc(Number(savedUsd))
  }

  countMiss(): void {
    this.requests.inc({ result: 'miss' })
  }

  countRefresh(): void {
    this.requests.inc({ result: 'refresh' })
  }
}

export const llmCacheMetricsProviders = [
  LlmCacheMetrics,
  makeCounterProvider({
    name: REQUESTS,
    help: 'Questions to models that a kept answer may answer: hit; miss; refresh, where the run asked for a new one. Not those of runs with cache off.',
    labelNames: ['result'],
  }),
  makeCounterProvider({ name: SAVED_USD, help: 'What the calls had cost that hits made needless, in US dollars.' }),
]
