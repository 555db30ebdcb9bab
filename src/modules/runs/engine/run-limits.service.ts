import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Usd } from '#kernel/usd.js'
import { CostLedger } from '#modules/costs'
import { type ModelMessage, TokenCounter } from '#modules/models'
import { AppConfig } from '#platform/config/app-config.js'
import type { RunInput } from '../run.entity.js'
import type { RunContext } from './run-context.js'
import type { RunSession } from './run-session.js'

export type RunLimitValues = NonNullable<RunInput['limits']>

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
    private readonly costs: CostLedger,
    private readonly tokens: TokenCounter,
  ) {}

  /** @throws AppError `limit_exceeded` when so many more steps are too many */
  assertSteps({ run, totals }: RunSession, more: number): void {
    const limit = this.stepLimit(run.input.limits)
    if (totals.steps + more > limit) throw exceeded(`its limit of ${limit} steps`)
  }

  /** @throws AppError `limit_exceeded` when nothing is left for another model call */
  async allow(session: RunSession, context: RunContext, messages: readonly ModelMessage[]): Promise<Allowance> {
    const { limits } = session.run.input
    const byTokens = this.remainingTokens(session)
    if (byTokens !== undefined && byTokens < 1) throw exceeded(`its limit of ${limits?.maxTokens} output tokens`)
    if (limits?.maxCostUsd === undefined) return { models: context.models, maxOutputTokens: byTokens }
    const left = remainingUsd(session, limits.maxCostUsd)
    // What stands in must be within the limit as well: a model without a price has none.
    const models = context.models.filter((model) => this.costs.findPrice(model) !== null)
    const inputTokens = await this.countPrompt(context, messages)
    const affordable = models.map((model) => this.affordableTokens(model, inputTokens, left))
    const byCost = Math.min(...affordable)
    if (models.length === 0 || byCost < 1) throw exceeded(`its limit of ${limits.maxCostUsd} USD`)
    return { models, maxOutputTokens: Math.min(byTokens ?? Infinity, byCost) }
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

  /** Tokens of what a model is about to be sent. */
  countPrompt({ prompt, tools }: RunContext, messages: readonly ModelMessage[]): Promise<number> {
    const texts = messages.map((message) =>
      message.role === 'assistant' ? message.text + JSON.stringify(message.toolCalls) : message.text,
    )
    const described = tools.length > 0 ? [JSON.stringify(tools)] : []
    return this.tokens.countAll([prompt.instructions, ...texts, ...described])
  }

  private stepLimit(limits: RunInput['limits']): number {
    return Math.min(limits?.maxSteps ?? Infinity, this.config.settings.RUN_MAX_STEPS)
  }

  private remainingTokens({ run, used }: RunSession): number | undefined {
    const limit = run.input.limits?.maxTokens
    return limit === undefined ? undefined : limit - used.outputTokens
  }

  /** Output tokens that the money is enough for, after the input. */
  private affordableTokens(model: string, inputTokens: number, left: Usd): number {
    const price = this.costs.findPrice(model)
    const ofInput = this.costs.price(model, { inputTokens, cachedInputTokens: 0, outputTokens: 0 })
    if (!price || !ofInput || !left.isAtLeast(ofInput)) return 0
    return left.minus(ofInput).tokensAt(price.outputUsdPerMillion)
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
