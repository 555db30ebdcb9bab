import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { CostLedger } from '#modules/costs'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { RunCompleted, RunFailed, type RunOutcome } from '../run.events.js'
import { type ClaimedRun, EngineRepository, type Settlement } from './engine.repository.js'
import type { Execution } from './run-executor.service.js'
import { RunWaiters } from './run-waiters.service.js'

const NOTHING_USED = { isReported: true, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }

/** Thrown inside the settling transaction to undo it: another worker has the run by now. */
class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError'
}

/** Ends runs: result, cost and events in one commit. */
@Injectable()
export class RunSettler {
  constructor(
    private readonly database: Database,
    private readonly runs: EngineRepository,
    private readonly costs: CostLedger,
    private readonly events: EventBus,
    private readonly waiters: RunWaiters,
    private readonly clock: Clock,
  ) {}

  /** @returns false when the claim was lost and nothing was written */
  async settle(run: ClaimedRun, { output, error, answer }: Execution): Promise<boolean> {
    const tokens = answer?.usage ?? NOTHING_USED
    const settlement: Settlement = {
      ...tokens,
      status: error ? 'failed' : 'completed',
      output,
      error: error && { code: error.code, detail: error.detail ?? '' },
      costUsd: (tokens.isReported && this.costs.price(run.model, tokens)?.toString()) || null,
      finishedAt: this.clock.now(),
    }
    try {
      await this.write(run, settlement, answer !== null)
      return true
    } catch (failure) {
      if (failure instanceof ClaimLostError) return false
      throw failure
    }
  }

  /** Ends a run that has crashed its worker too often. */
  giveUp(run: ClaimedRun, maxAttempts: number): Promise<boolean> {
    const detail = `This run was not brought to an end in ${maxAttempts} attempts.`
    return this.settle(run, {
      output: null,
      answer: null,
      error: new AppError('attempts_exhausted', 'internal', { detail }),
    })
  }

  private async write(run: ClaimedRun, settlement: Settlement, wasCalled: boolean): Promise<void> {
    const { tenantId, runId, projectId, agent, model, userId, apiKeyId } = run
    await this.database.workers.transaction({ tenantId }, async (tx) => {
      // All on the wire in one flight; none needs another's result.
      const [isOurs] = await Promise.all([
        this.runs.settle(run, settlement, tx),
        wasCalled &&
          this.costs.book(
            {
              tenantId,
              runId,
              projectId,
              agent,
              model,
              userId,
              apiKeyId,
              tokens: tokensOf(settlement),
              costUsd: settlement.costUsd,
            },
            tx,
          ),
        this.events.emit(toEvent(run, settlement), tx),
        this.waiters.announce(runId, tx),
      ])
      if (!isOurs) throw new ClaimLostError()
    })
  }
}

function tokensOf({ inputTokens, cachedInputTokens, outputTokens, reasoningTokens }: Settlement) {
  return { inputTokens, cachedInputTokens, outputTokens, reasoningTokens }
}

function toEvent(run: ClaimedRun, settlement: Settlement): RunCompleted | RunFailed {
  const outcome: RunOutcome = {
    runId: run.runId,
    agent: run.agent,
    model: run.model,
    inputTokens: settlement.inputTokens,
    outputTokens: settlement.outputTokens,
    costUsd: settlement.costUsd,
    durationMs: settlement.finishedAt.getTime() - run.startedAt.getTime(),
  }
  return settlement.error
    ? new RunFailed(run.tenantId, outcome, settlement.error.code)
    : new RunCompleted(run.tenantId, outcome)
}
