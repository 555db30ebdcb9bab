import type { PriceVersion } from './price-version.js'
import type { Price } from './price.js'
import type { ModelPrice } from './prices.schemas.js'

/** A price as it holds for a tenant. */
interface HeldPrice {
  readonly model: string
  readonly source: ModelPrice['source']
  readonly price: Price
  /** Null: it always has. */
  readonly effectiveFrom: Date | null
}

export function toModelPrice({ model, source, price, effectiveFrom }: HeldPrice): ModelPrice {
  return { model, source, ...toAmounts(price), effectiveFrom: effectiveFrom?.toISOString() ?? null }
}

export function toOwnPrice(version: PriceVersion): ModelPrice {
  return toModelPrice({ ...version, source: 'tenant' })
}

/** Each kind's price as a decimal string. */
export function toAmounts(price: Price): { [kind in keyof Price]: string } {
  return {
    inputUsdPerMillion: price.inputUsdPerMillion.toString(),
    cachedInputUsdPerMillion: price.cachedInputUsdPerMillion.toString(),
    cacheWriteUsdPerMillion: price.cacheWriteUsdPerMillion.toString(),
    outputUsdPerMillion: price.outputUsdPerMillion.toString(),
    reasoningUsdPerMillion: price.reasoningUsdPerMillion.toString(),
  }
}
