import { describe, expect, it } from '@jest/globals'
import { Usd } from '#kernel/usd.js'
import { costOf, type Price } from './price.js'

const price: Price = {
  inputUsdPerMillion: Usd.parse('0.25'),
  cachedInputUsdPerMillion: Usd.parse('0.025'),
  outputUsdPerMillion: Usd.parse('2'),
}

describe('costOf', () => {
  it('bills cached tokens once, at the cached price', () => {
    const tokens = { inputTokens: 1000, cachedInputTokens: 400, outputTokens: 10 }
    expect(costOf(tokens, price).toString()).toBe('0.00018')
  })

  it('is zero for nothing', () => {
    expect(costOf({ inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }, price).toString()).toBe('0')
  })

  it('never bills a negative amount when a provider reports more cached tokens than input', () => {
    const tokens = { inputTokens: 100, cachedInputTokens: 200, outputTokens: 0 }
    expect(costOf(tokens, price).toString()).toBe('0.0000025')
  })
})
