import { Usd } from '#kernel/usd.js'

/** US dollars for a million tokens of each kind. */
export interface Price {
  readonly inputUsdPerMillion: Usd
  readonly cachedInputUsdPerMillion: Usd
  readonly cacheWriteUsdPerMillion: Usd
  readonly outputUsdPerMillion: Usd
  readonly reasoningUsdPerMillion: Usd
}

/** A price of which only the two that there always are have been said. */
export interface StatedPrice {
  readonly inputUsdPerMillion: Usd
  readonly outputUsdPerMillion: Usd
  readonly cachedInputUsdPerMillion?: Usd | undefined
  readonly cacheWriteUsdPerMillion?: Usd | undefined
  readonly reasoningUsdPerMillion?: Usd | undefined
}

/**
 * Tokens to be paid for. `inputTokens` holds those read from the provider's cache and those written to it, `outputTokens` the
 * reasoning ones.
 */
export interface BilledTokens {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
}

/** Tokens without a price of their own cost what all input, or all output, does: the provider may not tell them apart. */
export function toPrice(stated: StatedPrice): Price {
  const { inputUsdPerMillion, outputUsdPerMillion } = stated
  return {
    inputUsdPerMillion,
    cachedInputUsdPerMillion: stated.cachedInputUsdPerMillion ?? inputUsdPerMillion,
    cacheWriteUsdPerMillion: stated.cacheWriteUsdPerMillion ?? inputUsdPerMillion,
    outputUsdPerMillion,
    reasoningUsdPerMillion: stated.reasoningUsdPerMillion ?? outputUsdPerMillion,
  }
}

/** Whether both cost the same, whatever is used. */
export function isSamePrice(a: Price, b: Price): boolean {
  return (Object.keys(a) as (keyof Price)[]).every((kind) => a[kind].toString() === b[kind].toString())
}

/** The exact cost: each token once, at the price of its kind. Of more cached or reasoning tokens than there are in all, those count. */
export function costOf(tokens: BilledTokens, price: Price): Usd {
  const { inputTokens, outputTokens } = tokens
  const cached = Math.min(tokens.cachedInputTokens, inputTokens)
  const written = Math.min(tokens.cacheWriteTokens, inputTokens - cached)
  const reasoning = Math.min(tokens.reasoningTokens, outputTokens)
  return price.inputUsdPerMillion
    .forTokens(inputTokens - cached - written)
    .plus(price.cachedInputUsdPerMillion.forTokens(cached))
    .plus(price.cacheWriteUsdPerMillion.forTokens(written))
    .plus(price.outputUsdPerMillion.forTokens(outputTokens - reasoning))
    .plus(price.reasoningUsdPerMillion.forTokens(reasoning))
}

/** The most that an input token can cost, whatever it turns out to be. */
export function dearestInput(price: Price): Usd {
  return dearest(price.inputUsdPerMillion, price.cachedInputUsdPerMillion, price.cacheWriteUsdPerMillion)
}

/** The most that an output token can cost. */
export function dearestOutput(price: Price): Usd {
  return dearest(price.outputUsdPerMillion, price.reasoningUsdPerMillion)
}

/** Output tokens that the money is enough for, after the input, whatever kinds of tokens they turn out to be. */
export function affordableTokens(price: Price, inputTokens: number, left: Usd): number {
  const ofInput = dearestInput(price).forTokens(inputTokens)
  return left.isAtLeast(ofInput) ? left.minus(ofInput).tokensAt(dearestOutput(price)) : 0
}

function dearest(...amounts: readonly Usd[]): Usd {
  return amounts.reduce((most, amount) => (amount.isAtLeast(most) ? amount : most), Usd.ZERO)
}
