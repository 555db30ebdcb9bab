import type { Price } from './price.js'
import { readAmounts, type StatedAmounts } from './stated-amounts.js'

/** A tenant's own price of a model, from a moment on. */
export interface PriceVersion {
  readonly model: string
  readonly effectiveFrom: Date
  readonly price: Price
}

/** A row of `model_prices p`, as {@link PRICE_COLUMNS} names it. */
export interface PriceRow extends StatedAmounts {
  readonly model: string
  readonly effectiveFrom: Date
}

export const PRICE_COLUMNS = `p.model, p.effective_from AS "effectiveFrom", p.input_usd_per_million AS "inputUsdPerMillion",
  p.cached_input_usd_per_million AS "cachedInputUsdPerMillion", p.cache_write_usd_per_million AS "cacheWriteUsdPerMillion",
  p.output_usd_per_million AS "outputUsdPerMillion", p.reasoning_usd_per_million AS "reasoningUsdPerMillion"`

export function toPriceVersion({ model, effectiveFrom, ...amounts }: PriceRow): PriceVersion {
  return { model, effectiveFrom, price: readAmounts(amounts) }
}
