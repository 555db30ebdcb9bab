import { describe, expect, it } from '@jest/globals'
import type { LanguageModelUsage } from 'ai'
import { toTokenUsage } from './model-result.js'

function usage(inputTokens: number | undefined, outputTokens: number | undefined): LanguageModelUsage {
  return {
    inputTokens,
    outputTokens,
    totalTokens: undefined,
    inputTokenDetails: { noCacheTokens: undefined, cacheReadTokens: undefined, cacheWriteTokens: undefined },
    outputTokenDetails: { textTokens: undefined, reasoningTokens: undefined },
  }
}

describe('toTokenUsage', () => {
  it('says when the provider kept silent, so that nobody takes it for free', () => {
    expect(toTokenUsage(undefined)).toMatchObject({ isReported: false, inputTokens: 0, outputTokens: 0 })
    expect(toTokenUsage(usage(5, undefined)).isReported).toBe(false)
    expect(toTokenUsage(usage(5, 0)).isReported).toBe(true)
  })

  it.each([
    [10.5, 11],
    [-3, 0],
    [Number.NaN, 0],
    [Number.POSITIVE_INFINITY, 0],
  ])('makes a count of %s: %s', (reported, count) => {
    expect(toTokenUsage(usage(reported, 1)).inputTokens).toBe(count)
  })
})
