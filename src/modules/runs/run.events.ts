import { DomainEvent } from '#platform/events/domain-event.js'
import type { RunFacts } from './run-facts.js'

/** What is known of a run when it ends. */
export interface RunOutcome extends RunFacts {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Decimal string; null: unpriced. */
  readonly costUsd: string | null
  readonly durationMs: number
}

/** Somebody works on a run for the first time. */
export class RunStarted extends DomainEvent {
  override readonly type = 'run.started'
  readonly run: RunFacts

  constructor(
    readonly tenantId: string,
    { runId, agent, agentVersion, model, parentRunId, scheduleId }: RunFacts,
  ) {
    super()
    this.run = { runId, agent, agentVersion, model, parentRunId, scheduleId }
  }
}

/** A run has come to its end, well or not. */
export abstract class RunFinished extends DomainEvent {
  constructor(
    readonly tenantId: string,
    readonly outcome: RunOutcome,
  ) {
    super()
  }
}

export class RunCompleted extends RunFinished {
  override readonly type = 'run.completed'
}

export class RunFailed extends RunFinished {
  override readonly type = 'run.failed'

  constructor(
    tenantId: string,
    outcome: RunOutcome,
    readonly errorCode: string,
  ) {
    super(tenantId, outcome)
  }
}

export class RunCancelled extends RunFinished {
  override readonly type = 'run.cancelled'
}
