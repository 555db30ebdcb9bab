import { describe, expect, it } from '@jest/globals'
import { Usd } from '#kernel/usd.js'
import { type BilledTokens, costOf, dearestInput, dearestOutput, toPrice } from './price.js'

const price = toPrice({
  inputUsdPerMillion: Usd.parse('0.25'),
  cachedInputUsdPerMillion: Usd.parse('0.025'),
  cacheWriteUsdPerMillion: Usd.parse('0.3'),
  outputUsdPerMillion: Usd.parse('2'),
  reasoningUsdPerMillion: Usd.parse('3'),
})
const NOTHING: BilledTokens = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
}

function cost(tokens: Partial<BilledTokens>, of = price): string {
  return costOf({ ...NOTHING, ...tokens }, of).toString()
}

describe('costOf', () => {
  it('bills cached tokens once, at the cached price', () => {
    expect(cost({ inputTokens: 1000, cachedInputTokens: 400, outputTokens: 10 })).toBe('0.00018')
  })

  it('bills tokens that went into the cache once, at their own price', () => {
    expect(cost({ inputTokens: 1000, cachedInputTokens: 400, cacheWriteTokens: 100 })).toBe('0.000165')
  })

  it('bills reasoning once, at its own price', () => {
    expect(cost({ outputTokens: 100, reasoningTokens: 90 })).toBe('0.00029')
  })

  it('bills kinds without a price of their own as all input and all output', () => {
    const plain = toPrice({ inputUsdPerMillion: Usd.parse('1'), outputUsdPerMillion: Usd.parse('2') })
    const tokens = { inputTokens: 10, cachedInputTokens: 3, cacheWriteTokens: 3, outputTokens: 10, reasoningTokens: 5 }
    expect(cost(tokens, plain)).toBe('0.00003')
  })

  it('is zero for nothing', () => {
    expect(cost({})).toBe('0')
  })

  it.each<[string, Partial<BilledTokens>, string]>([
    ['cached', { inputTokens: 100, cachedInputTokens: 200 }, '0.0000025'],
    ['written', { inputTokens: 100, cachedInputTokens: 100, cacheWriteTokens: 100 }, '0.0000025'],
    ['reasoning', { outputTokens: 100, reasoningTokens: 200 }, '0.0003'],
  ])(
    'never bills a negative amount when a provider reports more %s tokens than there are',
    (_what, tokens, expected) => {
      expect(cost(tokens)).toBe(expected)
    },
  )
})

it('the dearest token of a kind is what a call can cost at worst', () => {
  expect(dearestInput(price).toString()).toBe('0.3')
  expect(dearestOutput(price).toString()).toBe('3')
})
