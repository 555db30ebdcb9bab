import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { TenantsSpendingRules } from '#modules/costs'
import { type AnswerQuestion, KeptAnswers, type ModelAnswer, ModelClient, type ModelMessage } from '#modules/models'
import { isUnavailable } from '#platform/database/database-error.js'
import type { Tx } from '#platform/database/tx.js'
import { toStorableText, toStorableValue } from '#kernel/storable.js'
import { DeltaWriter } from './delta-writer.service.js'
import type { KeptAnswerWrite, ModelStep, PricedUse, StepEnd, StepStatus } from './journal.js'
import type { RunContext } from './run-context.js'
import { priceUses } from './price-uses.js'
import { type Charge, type ChargedCall, RunCharges } from './run-charges.service.js'
import { RunJournal } from './run-journal.service.js'
import { type Lease, RunLeases } from './run-leases.service.js'
import { RunLimits } from './run-limits.service.js'
import type { RunSession } from './run-session.js'
import { stepFinished, stepStarted } from './step-tellings.js'
import { usageOf } from './usage.js'

/** One model call to be made. */
export interface ModelTurn {
  readonly lease: Lease
  readonly session: RunSession
  readonly context: RunContext
  readonly messages: readonly ModelMessage[]
  /** What was wrong with the answer before, where this call is to repair it. */
  readonly repair: string | undefined
  /** Position of the call that was interrupted, whose place this one takes; null: there is none. */
  readonly interrupted: number | null
  /** Lease and time limit. */
  readonly signal: AbortSignal
}

/** Model calls as steps of a run. How one ended goes into the journal with the write that comes next. */
@Injectable()
export class ModelSteps {
  constructor(
    private readonly models: ModelClient,
    private readonly kept: KeptAnswers,
    private readonly rules: TenantsSpendingRules,
    private readonly limits: RunLimits,
    private readonly charges: RunCharges,
    private readonly journal: RunJournal,
    private readonly deltas: DeltaWriter,
    private readonly leases: RunLeases,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns how to keep the answer for other runs, once it has proved to be good; null: it is not to be kept
   * @throws AppError `limit_exceeded`, `budget_exceeded`, `model_failed`; `signal`'s reason when that aborts: what was used till then is deferred
   */
  async take(turn: ModelTurn): Promise<KeptAnswerWrite | null> {
    const { session, context, messages } = turn
    if (turn.interrupted === null) this.limits.assertSteps(session, 1)
    const step = newStep(turn, this.clock.now())
    const { cache = 'off' } = session.run.input
    if (cache === 'off') {
      await this.ask(turn, step)
      return null
    }
    const question = questionOf(session, context, messages)
    const keyHash = this.kept.hashOf(question)
    if (cache === 'use' && (await this.answerFromKept(turn, step, keyHash))) return null
    if (cache === 'refresh') this.kept.countRefresh()
    const { answer, uses } = await this.ask(turn, step)
    const { costUsd, ...usage } = usageOf(uses)
    const isEstimated = uses.some((use) => use.isEstimated)
    const isReported = uses.every((use) => use.usage.isReported)
    const { tenantId } = session.run
    const kept = { tenantId, question, keyHash, answer, usage: { ...usage, isReported }, costUsd, isEstimated }
    return { keyHash, write: (tx) => this.kept.keep(kept, tx) }
  }

  private async answerFromKept(turn: ModelTurn, step: ModelStep, keyHash: Buffer): Promise<boolean> {
    const { session } = turn
    const { tenantId } = session.run
    const known = await this.kept.find(tenantId, keyHash)
    if (!known) return false
    const { answer, costUsd: savedUsd } = known
    const begun = this.begin(turn, step)
    session.say({ text: answer.text }, this.clock.now())
    this.end({
      session,
      step,
      status: 'completed',
      answer: asJournalled(answer, step.position),
      uses: [],
      cache: 'hit',
    })
    const write = (tx: Tx) =>
      Promise.all([
        this.kept.countHit({ tenantId, keyHash, savedUsd }, tx),
        this.journal.bookSaving(session, { model: answer.model, savedUsd }, tx),
      ])
    session.defer({ hits: [{ keyHash, write }] })
    await begun
    return true
  }

  private async ask(turn: ModelTurn, step: ModelStep): Promise<{ answer: ModelAnswer; uses: readonly PricedUse[] }> {
    const { session, context, messages, signal, lease } = turn
    const rules = await this.rules.of(session.run.tenantId, 'workers')
    const moment = step.startedAt
    const allowance = await this.limits.allow({ session, context, messages, rules, moment })
    // Both at once: a model may be asked twice, but the journal must know that it was before it knows what came of it.
    const begun = this.begin(turn, step)
    begun.catch(() => this.leases.lose(lease))
    const charge = await this.charge({ session, context, messages, rules, step, allowance, begun, signal })
    using _ = this.deltas.follow(session, () => this.leases.lose(lease))
    const { outputSchema } = session.run.input
    const { task, context: material } = session.run
    const outcome = await this.models.call({
      models: allowance.models,
      instructions: context.prompt.instructions,
      messages,
      tools: context.tools,
      ...(outputSchema && { outputSchema }),
      ...charge,
      material: { task, ...(material !== null && { context: material }) },
      callId: `${session.run.runId}-${step.position}-${session.run.fencingNumber}`,
      signal,
      onDelta: (delta) => {
        if (session.say(delta, this.clock.now())) this.deltas.urge()
      },
    })
    await begun
    const uses = priceUses(outcome.uses, rules, moment)
    const cache = session.run.input.cache === 'off' ? 'off' : 'miss'
    if (outcome.answer) {
      const answer = asJournalled(outcome.answer, step.position)
      this.end({ session, step, status: 'completed', answer, uses, cache })
      return { answer, uses }
    }
    // A call that was aborted is not over: whoever goes on with the run makes it again.
    if (outcome.error && !isUnavailable(outcome.error))
      this.end({ session, step, status: 'failed', answer: null, uses, cache })
    else session.defer({ end: [endOfModel(step, 'running', null, uses, cache)] })
    throw outcome.error ?? signal.reason
  }

  /** A call that nobody pays for is a step that has failed. */
  private async charge(call: ChargedCall): Promise<Charge> {
    try {
      return await this.charges.pay(call)
    } catch (error) {
      const { session, step } = call
      const cache = session.run.input.cache === 'off' ? 'off' : 'miss'
      if (isRefusal(error)) this.end({ session, step, status: 'failed', answer: null, uses: [], cache })
      throw error
    }
  }

  private async begin(turn: ModelTurn, step: ModelStep): Promise<void> {
    const { session, signal } = turn
    if (session.isBegun(step.position)) return
    await this.journal.write(session, { begin: [step], tell: [stepStarted(step)] }, signal)
  }

  private end({ session, step, status, answer, uses, cache }: Ended): void {
    const isFirst = !session.steps.some(({ kind, status: known }) => kind === 'model' && known === 'completed')
    if (answer) session.cache = isFirst || cache !== 'hit' ? cache : session.cache
    const end = endOfModel(step, status, answer, uses, cache)
    session.defer({ end: [end], tell: [stepFinished(step, end)] })
  }
}

interface Ended {
  readonly session: RunSession
  readonly step: ModelStep
  readonly status: StepStatus
  readonly answer: ModelAnswer | null
  readonly uses: readonly PricedUse[]
  readonly cache: 'hit' | 'miss' | 'off'
}

function newStep({ session, context, repair, interrupted }: ModelTurn, startedAt: Date): ModelStep {
  return {
    kind: 'model',
    position: interrupted ?? session.nextPosition,
    status: 'running',
    name: context.models[0] ?? session.run.model,
    request: repair === undefined ? {} : { repair },
    result: null,
    attempt: session.run.attempt,
    startedAt,
  }
}

function endOfModel(
  { position }: ModelStep,
  status: StepStatus,
  answer: ModelAnswer | null,
  uses: readonly PricedUse[],
  cache: StepEnd['cache'],
): StepEnd {
  return { position, status, result: answer, usage: usageOf(uses), uses, model: answer?.model ?? null, cache }
}

function questionOf({ run }: RunSession, context: RunContext, messages: readonly ModelMessage[]): AnswerQuestion {
  return {
    agent: run.agent,
    agentVersion: run.agentVersion,
    model: context.models[0] ?? run.model,
    instructions: context.prompt.instructions,
    messages,
    tools: context.tools,
    outputSchema: run.input.outputSchema ?? null,
    maxOutputTokens: run.input.limits?.maxTokens ?? null,
    knowledgeRevision: null,
  }
}

/**
 * Calls as the journal has them, so that one that is made at once is the same as one that is made, or repeated, by whoever goes
 * on with the run. Providers number calls as they like, some anew in each answer; here names are unique in a run.
 */
function asJournalled(answer: ModelAnswer, position: number): ModelAnswer {
  const toolCalls = answer.toolCalls.map((call, index) => ({
    id: `call_${position}_${index}`,
    name: toStorableText(call.name),
    arguments: toStorableValue(call.arguments),
  }))
  return { ...answer, toolCalls }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'payment_required'
}
