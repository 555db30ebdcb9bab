import { Injectable } from '@nestjs/common'
import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from 'cockatiel'
import { lru } from 'tiny-lru'
import { AppConfig } from '#platform/config/app-config.js'
import { ModelFailure } from './model-failure.js'
import { ModelMetrics } from './model-metrics.service.js'

/** Tenants choose the names: beyond this, what was not asked for longest is forgotten, and starts as healthy again. */
export const MAX_CIRCUITS = 1000

/**
 * A circuit breaker for each model, in this process. After so many failed tries in a row nobody waits for the model any
 * more, until one call may find out whether it is back.
 */
@Injectable()
export class ModelCircuits {
  private readonly circuits = lru<CircuitBreakerPolicy>(MAX_CIRCUITS)

  constructor(
    private readonly config: AppConfig,
    private readonly metrics: ModelMetrics,
  ) {}

  /** @throws ModelFailure `circuit_open` without a try, or whatever the try throws */
  async run(model: string, attempt: () => Promise<void>): Promise<void> {
    const circuit = this.circuits.get(model) ?? this.create(model)
    // The library would have everybody wait for the one that probes, as long as its answer takes.
    if (circuit.state === CircuitState.HalfOpen) throw openCircuit()
    try {
      await circuit.execute(attempt)
    } catch (error) {
      throw error instanceof BrokenCircuitError ? openCircuit() : error
    }
  }

  private create(model: string): CircuitBreakerPolicy {
    const { MODEL_CIRCUIT_FAILURES, MODEL_CIRCUIT_OPEN_MS } = this.config.settings
    const circuit: CircuitBreakerPolicy = circuitBreaker(
      handleWhen((error) => isEvidence(error, circuit.state)),
      { breaker: new ConsecutiveBreaker(MODEL_CIRCUIT_FAILURES), halfOpenAfter: MODEL_CIRCUIT_OPEN_MS },
    )
    circuit.onStateChange(() => this.metrics.setOpenCircuits(this.openModels()))
    this.circuits.set(model, circuit)
    return circuit
  }

  private openModels(): string[] {
    const entries: [string, CircuitBreakerPolicy | undefined][] = this.circuits.entries()
    return entries.filter(([, circuit]) => circuit && circuit.state !== CircuitState.Closed).map(([model]) => model)
  }
}

/** A probe that its caller broke off before a word came has not shown that the model is back. */
function isEvidence(error: unknown, state: CircuitState): boolean {
  if (!(error instanceof ModelFailure)) return false
  return error.isOutage || (state === CircuitState.HalfOpen && error.reason === 'aborted' && !error.hadBegun)
}

function openCircuit(): ModelFailure {
  return new ModelFailure('circuit_open', 'it failed too often in a row, and is not asked for a while.')
}
