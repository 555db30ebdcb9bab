import { Usd } from '#kernel/usd.js'

/** US dollars for a million tokens. */
export interface Price {
  readonly inputUsdPerMillion: Usd
  readonly cachedInputUsdPerMillion: Usd
  readonly outputUsdPerMillion: Usd
}

/** Tokens to be paid for. `inputTokens` holds the cached ones, `outputTokens` the reasoning ones. */
export interface BilledTokens {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
}

/** The exact cost: cached input once, at its own price, and the rest of the input at the full one. */
export function costOf({ inputTokens, cachedInputTokens, outputTokens }: BilledTokens, price: Price): Usd {
  const cached = Math.min(cachedInputTokens, inputTokens)
  return price.inputUsdPerMillion
    .forTokens(inputTokens - cached)
    .plus(price.cachedInputUsdPerMillion.forTokens(cached))
    .plus(price.outputUsdPerMillion.forTokens(outputTokens))
}
