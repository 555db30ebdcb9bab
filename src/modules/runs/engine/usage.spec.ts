import { describe, expect, it } from '@jest/globals'
import { NO_USAGE, type Usage } from './journal.js'
import { sumOf, usageOf } from './usage.js'

const USED: Usage = { inputTokens: 10, cachedInputTokens: 4, outputTokens: 3, reasoningTokens: 1, costUsd: '0.1' }

describe('sumOf', () => {
  it('adds up each kind of token, and money exactly', () => {
    expect(sumOf([USED, { ...USED, costUsd: '0.2' }])).toEqual({
      inputTokens: 20,
      cachedInputTokens: 8,
      outputTokens: 6,
      reasoningTokens: 2,
      costUsd: '0.3',
    })
  })

  it('does not know the sum where it does not know a part, and counts the tokens all the same', () => {
    expect(sumOf([{ ...USED, costUsd: null }, USED])).toEqual({ ...sumOf([USED, USED]), costUsd: null })
  })

  it('of nothing is nothing', () => {
    expect(sumOf([])).toEqual(NO_USAGE)
  })
})

describe('usageOf', () => {
  it('takes all calls of a step together', () => {
    const { costUsd, ...tokens } = USED
    const use = {
      model: 'openai/gpt-4o-mini',
      usage: { ...tokens, cacheWriteTokens: 0, isReported: true },
      isEstimated: false,
      outcome: 'answered' as const,
      price: null,
      costUsd,
    }
    expect(usageOf([use, use])).toEqual(sumOf([USED, USED]))
  })
})
