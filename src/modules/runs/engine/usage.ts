import { Usd } from '#kernel/usd.js'
import { NO_USAGE, type PricedUse, type Usage } from './journal.js'

/** Adds up; a cost that nobody knows makes the sum unknown. */
export function sumOf(usages: readonly Usage[]): Usage {
  return usages.reduce(
    (sum, usage) => ({
      inputTokens: sum.inputTokens + usage.inputTokens,
      cachedInputTokens: sum.cachedInputTokens + usage.cachedInputTokens,
      outputTokens: sum.outputTokens + usage.outputTokens,
      reasoningTokens: sum.reasoningTokens + usage.reasoningTokens,
      costUsd: addCosts(sum.costUsd, usage.costUsd),
    }),
    NO_USAGE,
  )
}

/** What the calls of one step used, together. */
export function usageOf(uses: readonly PricedUse[]): Usage {
  return sumOf(uses.map(({ usage, costUsd }) => ({ ...usage, costUsd })))
}

function addCosts(a: string | null, b: string | null): string | null {
  return a === null || b === null ? null : Usd.parse(a).plus(Usd.parse(b)).toString()
}
