import { describe, expect, it } from '@jest/globals'
import { Usd } from '#kernel/usd.js'
import { toPrice } from '../prices/price.js'
import { inputTokensAtWorst, worstCaseOf } from './worst-case.js'

const price = (input: string, output: string, more: { cached?: string; written?: string; reasoning?: string } = {}) =>
  toPrice({
    inputUsdPerMillion: Usd.parse(input),
    outputUsdPerMillion: Usd.parse(output),
    cachedInputUsdPerMillion: more.cached === undefined ? undefined : Usd.parse(more.cached),
    cacheWriteUsdPerMillion: more.written === undefined ? undefined : Usd.parse(more.written),
    reasoningUsdPerMillion: more.reasoning === undefined ? undefined : Usd.parse(more.reasoning),
  })
const call = { inputTokens: 1_000_000, maxTokens: 1000, minTokens: 256 }

function told(prices: Parameters<typeof worstCaseOf>[0], terms = call) {
  const worst = worstCaseOf(prices, terms)
  return worst && { ...worst, inputUsd: String(worst.inputUsd), usdPerOutputToken: String(worst.usdPerOutputToken) }
}

describe('the worst that a call can cost', () => {
  it('is all of its input, and each token of output, exactly', () => {
    expect(told([price('0.15', '0.6')])).toEqual({
      inputUsd: '0.15',
      usdPerOutputToken: '0.0000006',
      maxTokens: 1000,
      minTokens: 256,
    })
  })

  it('loses no digit of the smallest price', () => {
    const worst = told([price('0.000000000001', '0.000000000001')], { ...call, inputTokens: 1 })
    expect(worst).toMatchObject({ inputUsd: '0.000000000000000001', usdPerOutputToken: '0.000000000000000001' })
  })

  it('takes tokens for the dearest of their kind: written to the cache, or reasoned', () => {
    expect(told([price('1', '2', { cached: '0.1', written: '1.25', reasoning: '3' })])).toMatchObject({
      inputUsd: '1.25',
      usdPerOutputToken: '0.000003',
    })
  })

  it('is by the dearest of all models that may answer', () => {
    expect(told([price('1', '2'), price('0.5', '8'), price('3', '1')])).toMatchObject({
      inputUsd: '3',
      usdPerOutputToken: '0.000008',
    })
  })

  it('is nothing where all is free, or nobody has a price', () => {
    expect(told([price('0', '0')])).toBeNull()
    expect(told([])).toBeNull()
    expect(told([price('1', '0')], { ...call, inputTokens: 0 })).toBeNull()
    expect(told([price('0', '1')])).not.toBeNull()
  })

  it('does not ask for more output than it may have', () => {
    expect(told([price('1', '1')], { ...call, maxTokens: 10 })).toMatchObject({ maxTokens: 10, minTokens: 10 })
  })
})

describe('the input that a provider may bill', () => {
  it('is more than the texts, with every message', () => {
    expect(inputTokensAtWorst(100, 1)).toBeGreaterThan(100)
    expect(inputTokensAtWorst(100, 2)).toBeGreaterThan(inputTokensAtWorst(100, 1))
  })
})
