import { costOf, type SpendingRules } from '#modules/costs'
import type { ModelUse } from '#modules/models'
import type { PricedUse } from './journal.js'

/** What model calls cost that were made at `moment`. What nobody counted has no price. */
export function priceUses(uses: readonly ModelUse[], rules: SpendingRules, moment: Date): PricedUse[] {
  return uses.map((use) => {
    const isKnown = use.usage.isReported || use.isEstimated
    const price = isKnown ? rules.findPrice(use.model, moment) : null
    return { ...use, price, costUsd: price && costOf(use.usage, price).toString() }
  })
}
