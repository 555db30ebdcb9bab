import { z } from 'zod'
import { Usd } from '#kernel/usd.js'
import { type Price, toPrice } from './price.js'

/** Decimal: 9 digits before the point, 12 after it, so that the price of a single token is exact. */
const MAX_LENGTH = 22
const usdPerMillion = z
  .string()
  .max(MAX_LENGTH)
  .refine((text) => /^\d{1,9}(\.\d{1,12})?$/.test(text), {
    error: 'must be a decimal string such as "0.25", with at most 12 decimals',
  })

/** A price as somebody states it, in US dollars for a million tokens. */
export const statedAmountsShape = {
  inputUsdPerMillion: usdPerMillion,
  outputUsdPerMillion: usdPerMillion,
  cachedInputUsdPerMillion: usdPerMillion.optional().describe('Read from the cache; absent: as all input.'),
  cacheWriteUsdPerMillion: usdPerMillion.optional().describe('Written to the cache; absent: as all input.'),
  reasoningUsdPerMillion: usdPerMillion.optional().describe('Absent: as all output.'),
}

/** Decimal strings, as {@link statedAmountsShape} takes them. */
export interface StatedAmounts {
  readonly inputUsdPerMillion: string
  readonly outputUsdPerMillion: string
  readonly cachedInputUsdPerMillion?: string | null | undefined
  readonly cacheWriteUsdPerMillion?: string | null | undefined
  readonly reasoningUsdPerMillion?: string | null | undefined
}

export function readAmounts(stated: StatedAmounts): Price {
  return toPrice({
    inputUsdPerMillion: Usd.parse(stated.inputUsdPerMillion),
    cachedInputUsdPerMillion: parseIfSaid(stated.cachedInputUsdPerMillion),
    cacheWriteUsdPerMillion: parseIfSaid(stated.cacheWriteUsdPerMillion),
    outputUsdPerMillion: Usd.parse(stated.outputUsdPerMillion),
    reasoningUsdPerMillion: parseIfSaid(stated.reasoningUsdPerMillion),
  })
}

function parseIfSaid(text: string | null | undefined): Usd | undefined {
  return typeof text === 'string' ? Usd.parse(text) : undefined
}
