import { Injectable } from '@nestjs/common'
import { Usd } from '#kernel/usd.js'
import {
  BudgetReservations,
  inputTokensAtWorst,
  PriceCatalogue,
  type SpendingRules,
  type WorstCase,
  WorstCases,
} from '#modules/costs'
import type { ModelCall, NextTry } from '#modules/models'
import type { ModelStep } from './journal.js'
import { priceUses } from './price-uses.js'
import { type Prompt, PromptSizes } from './prompt-sizes.service.js'
import { RunJournal } from './run-journal.service.js'
import { type Allowance, RunLimits } from './run-limits.service.js'

/** What a try that goes on with an answer adds to the question, beside what was said. */
const MESSAGES_OF_CONTINUATION = 4

/** A model call that is to be made now. */
export interface ChargedCall extends Prompt {
  readonly rules: SpendingRules
  readonly step: ModelStep
  readonly allowance: Allowance
  /** The write by which the step begins. */
  readonly begun: Promise<void>
  readonly signal: AbortSignal
}

/** What a call is made with. */
export type Charge = Pick<ModelCall, 'maxOutputTokens' | 'longestAnswerOf' | 'beforeNextTry'>

/** Has budgets pay for model calls, before each is made, and holds each further try to the limits of the run. */
@Injectable()
export class RunCharges {
  constructor(
    private readonly reservations: BudgetReservations,
    private readonly worstCases: WorstCases,
    private readonly limits: RunLimits,
    private readonly sizes: PromptSizes,
    private readonly journal: RunJournal,
    private readonly catalogue: PriceCatalogue,
  ) {}

  /** @throws AppError `budget_exceeded` */
  async pay(call: ChargedCall): Promise<Charge> {
    const { session, context, rules, step, allowance } = call
    const { maxOutputTokens } = allowance
    const admitted = session.takeAdmission()
    const asked = { models: allowance.models, rules, moment: step.startedAt }
    const isCounted = rules.hasBudgetFor(session.run) && !this.worstCases.isFree(asked)
    const beforeNextTry = (next: NextTry) => this.payAgain(call, next, isCounted)
    const longestAnswerOf = (model: string) => this.catalogue.findMaxOutput(model)
    const terms = { longestAnswerOf, beforeNextTry }
    if (!isCounted) return maxOutputTokens === undefined ? {} : { ...terms, maxOutputTokens }
    // Whoever created the run has paid for its first call, as far as he knew what it would be.
    const isPaid = admitted !== null && step.position === 1 && context.tools.length === 0
    const granted = (isPaid ? admitted : await this.reserveFirst(call)) ?? Infinity
    const most = Math.min(granted, maxOutputTokens ?? Infinity)
    return { ...terms, ...(most !== Infinity && { maxOutputTokens: most }) }
  }

  private async reserveFirst(call: ChargedCall): Promise<number | null> {
    const { session, rules, step, allowance, begun, signal } = call
    // What is booked frees what was reserved for it, and for this step where its call was interrupted: not to be freed behind us.
    await begun
    if (session.hasUnbooked) await this.journal.write(session, {}, signal)
    const { models, maxOutputTokens: maxTokens } = allowance
    const isFixed = session.run.input.limits?.maxTokens !== undefined
    const inputTokens = await this.sizes.atWorst(call)
    const worst = this.worstCases.of({ models, rules, moment: step.startedAt, inputTokens, maxTokens, isFixed })
    return worst && this.reserve(call, worst)
  }

  /**
   * What the tries before have used is not booked yet: it counts with what the next one can use.
   * @returns output tokens that the next one may have; undefined: as many as are left of the call's
   * @throws AppError `limit_exceeded`, `budget_exceeded`
   */
  private async payAgain(call: ChargedCall, next: NextTry, isCounted: boolean): Promise<number | undefined> {
    const { session, rules, step } = call
    const { model, uses } = next
    const moment = step.startedAt
    const usedTokens = uses.reduce((sum, { usage }) => sum + usage.outputTokens, 0)
    const costs = priceUses(uses, rules, moment).map(({ costUsd }) => Usd.parse(costUsd ?? '0'))
    const usedUsd = costs.reduce((sum, cost) => sum.plus(cost), Usd.ZERO)
    const inputTokens = (await this.sizes.atWorst(call)) + inputTokensAtWorst(usedTokens, MESSAGES_OF_CONTINUATION)
    const price = rules.findPrice(model, moment)
    const allowed = this.limits.allowAgain(session, { price, inputTokens, usedTokens, usedUsd })
    const maxTokens = allowed === undefined ? next.maxOutputTokens : Math.min(allowed, next.maxOutputTokens ?? Infinity)
    if (!isCounted) return maxTokens
    const worst = this.worstCases.of({ models: [model], rules, moment, inputTokens, maxTokens, isFixed: true })
    if (worst) await this.reserve(call, { ...worst, inputUsd: worst.inputUsd.plus(usedUsd) })
    return maxTokens
  }

  private reserve({ session, step }: ChargedCall, worst: WorstCase): Promise<number> {
    const { tenantId, runId, projectId, agent, apiKeyId } = session.run
    const spender = { projectId, agent, apiKeyId }
    return this.reservations.reserve({
      tenantId,
      runId,
      step: step.position,
      ...spender,
      worst,
      moment: step.startedAt,
    })
  }
}
