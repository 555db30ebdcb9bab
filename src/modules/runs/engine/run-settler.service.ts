import { Injectable } from '@nestjs/common'
import type { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Approvals } from '#modules/approvals'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { RunCancelled, RunCompleted, RunFailed, type RunFinished, type RunOutcome } from '../run.events.js'
import type { RunOutput } from '../runs.schemas.js'
import { toStorableText, toStorableValue } from '#kernel/storable.js'
import { DelegationsRepository } from './delegations.repository.js'
import type { RunEnd } from './journal.repository.js'
import { joinEnds } from './join-ends.js'
import { endOf, type KeptAnswerWrite, type Telling, type Usage } from './journal.js'
import { RunBell } from './run-bell.service.js'
import { RunJournal } from './run-journal.service.js'
import type { RunSession } from './run-session.js'
import { RunTrees } from './run-trees.service.js'
import { stepFinished } from './step-tellings.js'

/** Ends runs: result, cost, event log, domain events, and whoever waits for them, in one commit. */
@Injectable()
export class RunSettler {
  constructor(
    private readonly journal: RunJournal,
    private readonly delegations: DelegationsRepository,
    private readonly trees: RunTrees,
    private readonly approvals: Approvals,
    private readonly events: EventBus,
    private readonly bell: RunBell,
    private readonly clock: Clock,
  ) {}

  complete(session: RunSession, output: RunOutput, signal: AbortSignal, keep: KeptAnswerWrite | null): Promise<void> {
    const stored = toStorableValue(output) as RunOutput
    return this.settle({ session, signal, end: { status: 'completed', output: stored, error: null }, keep })
  }

  fail(session: RunSession, error: AppError, signal: AbortSignal): Promise<void> {
    return this.settle({ session, signal, end: failure(error), keep: null })
  }

  cancel(session: RunSession, signal: AbortSignal): Promise<void> {
    return this.settle({ session, signal, end: { status: 'cancelled', output: null, error: null }, keep: null })
  }

  /**
   * For a run that nobody could end in all its attempts: those who hear of ended runs in the same commit do not hear of this one,
   * since it may be they who refuse it. Better than a run that never ends, and that is worked on for ever.
   */
  giveUp(session: RunSession, error: AppError, signal: AbortSignal): Promise<void> {
    return this.settle({ session, signal, end: failure(error), keep: null, isSilent: true })
  }

  private async settle({ session, signal, end, keep, isSilent = false }: Settlement): Promise<void> {
    const { run } = session
    const finishedAt = this.clock.now()
    const open = session.steps.filter(({ status }) => status === 'running')
    const totals = session.used
    const deferred = session.takeDeferred()
    const ends = joinEnds([...deferred.end, ...open.map(({ position }) => endOf(position, 'cancelled', null))])
    const endOfStep = new Map(ends.map((step) => [step.position, step]))
    const hasAsked = open.some(({ kind }) => kind === 'approval')
    const hasChildren = open.some(({ kind }) => kind === 'delegation')
    const finished: RunEnd = { ...end, finishedAt }
    await this.journal.finish(
      session,
      {
        end: ends,
        tell: [
          ...deferred.tell,
          ...open.map((step) =>
            stepFinished(step, endOfStep.get(step.position) ?? endOf(step.position, 'cancelled', null)),
          ),
          lastTelling(session, finished, totals),
        ],
        // Approvals before runs: whoever decides one locks in this order.
        ...(hasAsked && { before: (tx: Tx) => this.approvals.withdraw([run.runId], tx) }),
        ...(!isSilent && { alongside: (tx: Tx) => this.events.emit(toEvent(session, finished, totals), tx) }),
        hits: deferred.hits,
        keep,
        ...((hasChildren || run.parentRunId !== null) && {
          also: async (tx: Tx) => {
            if (hasChildren) await this.trees.cancelDescendants(run, finishedAt, tx)
            if (run.parentRunId !== null && (await this.delegations.queueParent(run, tx))) await this.bell.ring(tx)
          },
        }),
      },
      finished,
      signal,
    )
  }
}

interface Settlement {
  readonly session: RunSession
  readonly signal: AbortSignal
  readonly end: Omit<RunEnd, 'finishedAt'>
  readonly keep: KeptAnswerWrite | null
  readonly isSilent?: boolean
}

function failure({ code, detail = '' }: AppError): Settlement['end'] {
  return { status: 'failed', output: null, error: { code, detail: toStorableText(detail) } }
}

function lastTelling({ run }: RunSession, end: RunEnd, { costUsd, ...tokens }: Usage): Telling {
  const data = { usage: tokens, costUsd, durationMs: durationOf(run.startedAt, end.finishedAt) }
  if (end.error) return { type: 'run.failed', data: { ...data, error: end.error } }
  return { type: end.status === 'completed' ? 'run.completed' : 'run.cancelled', data }
}

function toEvent({ run }: RunSession, end: RunEnd, totals: Usage): RunFinished {
  const outcome: RunOutcome = {
    runId: run.runId,
    agent: run.agent,
    agentVersion: run.agentVersion,
    model: run.model,
    parentRunId: run.parentRunId,
    scheduleId: run.scheduleId,
    inputTokens: totals.inputTokens,
    outputTokens: totals.outputTokens,
    costUsd: totals.costUsd,
    durationMs: durationOf(run.startedAt, end.finishedAt),
  }
  if (end.error) return new RunFailed(run.tenantId, outcome, end.error.code)
  return end.status === 'completed' ? new RunCompleted(run.tenantId, outcome) : new RunCancelled(run.tenantId, outcome)
}

function durationOf(startedAt: Date, finishedAt: Date): number {
  return finishedAt.getTime() - startedAt.getTime()
}
