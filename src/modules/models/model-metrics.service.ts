import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider, makeGaugeProvider } from '@willsoto/nestjs-prometheus'
import { Counter, Gauge } from 'prom-client'
import type { ModelUse } from './model-call.js'
import { parseModelName } from './model-name.js'

const CALLS = 'temponest_model_calls_total'
const OPEN_CIRCUITS = 'temponest_model_circuits_open'

/** Network calls to models on this replica. By provider, since tenants choose the names of models. */
@Injectable()
export class ModelMetrics {
  constructor(
    @InjectMetric(CALLS) private readonly calls: Counter,
    @InjectMetric(OPEN_CIRCUITS) private readonly openCircuits: Gauge,
  ) {}

  countCall(model: string, outcome: ModelUse['outcome']): void {
    this.calls.inc({ provider: providerOf(model), outcome })
  }

  /** @param models those whose circuit is open */
  setOpenCircuits(models: readonly string[]): void {
    this.openCircuits.reset()
    for (const model of models) this.openCircuits.inc({ provider: providerOf(model) })
  }
}

function providerOf(model: string): string {
  return parseModelName(model)?.provider ?? 'unknown'
}

export const modelMetricsProviders = [
  ModelMetrics,
  makeCounterProvider({
    name: CALLS,
    help: 'Network calls to language models, retries included: answered, failed or aborted.',
    labelNames: ['provider', 'outcome'],
  }),
  makeGaugeProvider({
    name: OPEN_CIRCUITS,
    help: 'Models that are not asked at the moment, since they failed too often in a row.',
    labelNames: ['provider'],
  }),
]
