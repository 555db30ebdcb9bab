import { Usd } from '#kernel/usd.js'
import { dearestInput, dearestOutput, type Price } from '../prices/price.js'

/** Beyond the texts themselves, which are what is counted: roles, separators, the frame of an answer. */
const TOKENS_PER_MESSAGE = 8
const TOKENS_PER_CALL = 32

/** The most that one model call can cost. */
export interface WorstCase {
  /** Before it says a word. */
  readonly inputUsd: Usd
  readonly usdPerOutputToken: Usd
  /** Of output. */
  readonly maxTokens: number
  /** With less than this it is not worth making: the output may be cut to that. */
  readonly minTokens: number
}

/** What a provider may bill as input for texts of so many tokens in so many messages. */
export function inputTokensAtWorst(textTokens: number, messages: number): number {
  return textTokens + TOKENS_PER_CALL + messages * TOKENS_PER_MESSAGE
}

/**
 * Whichever of the models answers, and whatever kinds of tokens it counts: each part at the highest of the prices.
 * @returns null: it costs nothing
 */
export function worstCaseOf(
  prices: readonly Price[],
  { inputTokens, maxTokens, minTokens }: { inputTokens: number; maxTokens: number; minTokens: number },
): WorstCase | null {
  const inputUsd = highest(prices.map((price) => dearestInput(price).forTokens(inputTokens)))
  const usdPerOutputToken = highest(prices.map((price) => dearestOutput(price).forTokens(1)))
  if (Usd.ZERO.isAtLeast(inputUsd) && Usd.ZERO.isAtLeast(usdPerOutputToken)) return null
  return { inputUsd, usdPerOutputToken, maxTokens, minTokens: Math.min(minTokens, maxTokens) }
}

function highest(amounts: readonly Usd[]): Usd {
  return amounts.reduce((most, amount) => (amount.isAtLeast(most) ? amount : most), Usd.ZERO)
}
