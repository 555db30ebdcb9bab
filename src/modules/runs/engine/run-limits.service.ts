import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Usd } from '#kernel/usd.js'
import { affordableTokens, type Price, type SpendingRules } from '#modules/costs'
import { AppConfig } from '#platform/config/app-config.js'
import type { RunInput } from '../run.entity.js'
import { modelUnpriced } from '../runs.errors.js'
import { type Prompt, PromptSizes } from './prompt-sizes.service.js'
import type { RunSession } from './run-session.js'

export type RunLimitValues = NonNullable<RunInput['limits']>

/** A model call that is to be made now. */
interface IntendedCall extends Prompt {
  readonly rules: SpendingRules
  readonly moment: Date
}

/** One more try of a model call. */
interface IntendedTry {
  readonly price: Price | null
  readonly inputTokens: number
  /** Of the tries before, which the session does not know of yet. */
  readonly usedTokens: number
  readonly usedUsd: Usd
}

/** What a model call may use. */
export interface Allowance {
  readonly models: readonly string[]
  readonly maxOutputTokens: number | undefined
}

/**
 * Holds a run and all that it delegates to its limits. A share of what is left goes down with each delegation, as the limits of
 * the child: so a tree stays within them though nobody in it counts for the others.
 */
@Injectable()
export class RunLimits {
  constructor(
    private readonly config: AppConfig,
    private readonly sizes: PromptSizes,
  ) {}

  /** @throws AppError `limit_exceeded` when so many more steps are too many */
  assertSteps({ run, totals }: RunSession, more: number): void {
    const limit = this.stepLimit(run.input.limits)
    if (totals.steps + more > limit) throw exceeded(`its limit of ${limit} steps`)
  }

  /** @throws AppError `limit_exceeded` when nothing is left for another model call, `model_unpriced` where the tenant wants none without a price */
  async allow({ session, context, messages, rules, moment }: IntendedCall): Promise<Allowance> {
    const { limits } = session.run.input
    const byTokens = this.remainingTokens(session)
    if (byTokens !== undefined && byTokens < 1) throw exceeded(`its limit of ${limits?.maxTokens} output tokens`)
    const allowed = context.models.filter((model) => rules.allows(model, moment))
    if (allowed.length === 0) throw modelUnpriced(session.run.model)
    if (limits?.maxCostUsd === undefined) return { models: allowed, maxOutputTokens: byTokens }
    const left = remainingUsd(session, limits.maxCostUsd)
    // What stands in must be within the limit as well: a model without a price has none.
    const priced = allowed.flatMap((model) => {
      const price = rules.findPrice(model, moment)
      return price ? [{ model, price }] : []
    })
    const models = priced.map(({ model }) => model)
    const inputTokens = await this.sizes.atWorst({ session, context, messages })
    const affordable = priced.map(({ price }) => affordableTokens(price, inputTokens, left))
    const byCost = Math.min(...affordable)
    if (models.length === 0 || byCost < 1) throw exceeded(`its limit of ${limits.maxCostUsd} USD`)
    return { models, maxOutputTokens: Math.min(byTokens ?? Infinity, byCost) }
  }

  /**
   * @returns output tokens that it may have; undefined: nothing holds it
   * @throws AppError `limit_exceeded` when nothing is left for it
   */
  allowAgain(session: RunSession, { price, inputTokens, usedTokens, usedUsd }: IntendedTry): number | undefined {
    const { maxTokens, maxCostUsd } = session.run.input.limits ?? {}
    const tokens = this.remainingTokens(session)
    const byTokens = tokens === undefined ? Infinity : tokens - usedTokens
    if (byTokens < 1) throw exceeded(`its limit of ${maxTokens} output tokens`)
    if (maxCostUsd === undefined || price === null) return byTokens === Infinity ? undefined : byTokens
    const byCost = affordableTokens(price, inputTokens, remainingUsd(session, maxCostUsd).minus(usedUsd))
    if (byCost < 1) throw exceeded(`its limit of ${maxCostUsd} USD`)
    return Math.min(byTokens, byCost)
  }

  /**
   * What each of `children` delegations that begin together may use; one share stays with the run itself.
   * @param steps of the run itself that are due before it asks its model again
   * @throws AppError `limit_exceeded` when there is not enough to be shared
   */
  shareOf(session: RunSession, { children, steps }: { children: number; steps: number }): RunLimitValues {
    const { limits } = session.run.input
    const parts = children + 1
    const maxSteps = Math.floor((this.stepLimit(limits) - session.totals.steps - steps) / parts)
    if (maxSteps < 1) throw exceeded(`its limit of ${this.stepLimit(limits)} steps`)
    const tokens = this.remainingTokens(session)
    const maxTokens = tokens === undefined ? undefined : Math.floor(tokens / parts)
    if (maxTokens !== undefined && maxTokens < 1) throw exceeded(`its limit of ${limits?.maxTokens} output tokens`)
    const usd = limits?.maxCostUsd === undefined ? undefined : remainingUsd(session, limits.maxCostUsd).dividedBy(parts)
    if (usd && Usd.ZERO.isAtLeast(usd)) throw exceeded(`its limit of ${limits?.maxCostUsd} USD`)
    return {
      maxSteps,
      ...(maxTokens !== undefined && { maxTokens }),
      ...(usd && { maxCostUsd: usd.toString() }),
    }
  }

  private stepLimit(limits: RunInput['limits']): number {
    return Math.min(limits?.maxSteps ?? Infinity, this.config.settings.RUN_MAX_STEPS)
  }

  private remainingTokens({ run, used }: RunSession): number | undefined {
    const limit = run.input.limits?.maxTokens
    return limit === undefined ? undefined : limit - used.outputTokens
  }
}

function remainingUsd({ used }: RunSession, limit: string): Usd {
  // A run with such a limit only uses models with a price; an unknown sum would be one that nobody can hold to it.
  if (used.costUsd === null) throw exceeded(`its limit of ${limit} USD: what it has cost so far is not known`)
  return Usd.parse(limit).minus(Usd.parse(used.costUsd))
}

function exceeded(what: string): AppError {
  return new AppError('limit_exceeded', 'unprocessable', { detail: `The run has come to ${what}.` })
}
