import { Injectable } from '@nestjs/common'
import type { Usd } from '#kernel/usd.js'
import { AppConfig } from '#platform/config/app-config.js'
import { PriceCatalogue } from '../prices/price-catalogue.js'
import { affordableTokens } from '../prices/price.js'
import type { SpendingRules } from '../rules/spending-rules.js'
import { type WorstCase, worstCaseOf } from './worst-case.js'

/** A shorter answer is worth nobody's money: a budget that has not room for it refuses. */
const MIN_OUTPUT_TOKENS = 256

/** A model call that may be made. */
export interface PossibleCall {
  readonly models: readonly string[]
  readonly rules: SpendingRules
  readonly moment: Date
  /** What a provider may bill: see `inputTokensAtWorst`. */
  readonly inputTokens: number
  /** Of output; undefined: nothing holds it. */
  readonly maxTokens: number | undefined
  /** It may not be cut to what a budget has room for: somebody has said how much it is to have. */
  readonly isFixed: boolean
  /** What all of it is held to; undefined: nothing more. */
  readonly maxUsd?: Usd | undefined
}

/** Knows the worst that model calls can cost. */
@Injectable()
export class WorstCases {
  constructor(
    private readonly config: AppConfig,
    private readonly catalogue: PriceCatalogue,
  ) {}

  /** Whether it costs anything at all; for who would have to count tokens first. */
  isFree({ models, rules, moment }: Pick<PossibleCall, 'models' | 'rules' | 'moment'>): boolean {
    return worstCaseOf(pricesOf(models, rules, moment), { inputTokens: 1, maxTokens: 1, minTokens: 1 }) === null
  }

  /** Null: it costs nothing, or is not made since it could not be paid. What has no price counts as nothing: nobody knows it. */
  of({ models, rules, moment, inputTokens, maxTokens, isFixed, maxUsd }: PossibleCall): WorstCase | null {
    const prices = pricesOf(models, rules, moment)
    const affordable = maxUsd ? prices.map((price) => affordableTokens(price, inputTokens, maxUsd)) : []
    if (affordable.some((tokens) => tokens < 1)) return null
    const { BUDGET_MAX_OUTPUT_TOKENS: byDefault } = this.config.settings
    const longest = models.map((model) => this.catalogue.findMaxOutput(model) ?? Infinity)
    const limits =
      isFixed && maxTokens !== undefined
        ? asFixed(Math.min(maxTokens, Math.max(...longest)))
        : { maxTokens: Math.min(maxTokens ?? Infinity, byDefault, ...longest), minTokens: MIN_OUTPUT_TOKENS }
    const most = Math.min(limits.maxTokens, ...affordable)
    return worstCaseOf(prices, { inputTokens, ...limits, maxTokens: most })
  }
}

function asFixed(tokens: number) {
  return { maxTokens: tokens, minTokens: tokens }
}

function pricesOf(models: readonly string[], rules: SpendingRules, moment: Date) {
  return models.flatMap((model) => rules.findPrice(model, moment) ?? [])
}
