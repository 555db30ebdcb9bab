import { describe, expect, it } from '@jest/globals'
import type { LanguageModelV4Usage } from '@ai-sdk/provider'
import { findInputUsage, MAX_REPORTED_TOKENS, toTokenUsage } from './model-result.js'

function usage(input: number | undefined, output: number | undefined): LanguageModelV4Usage {
  return {
    inputTokens: { total: input, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: output, text: undefined, reasoning: undefined },
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
    [MAX_REPORTED_TOKENS, MAX_REPORTED_TOKENS],
  ])('makes a count of %s: %s', (reported, count) => {
    expect(toTokenUsage(usage(reported, 1)).inputTokens).toBe(count)
  })
})

describe('a report that cannot be true', () => {
  const cases = [MAX_REPORTED_TOKENS + 1, Number.MAX_SAFE_INTEGER * 2, Number.NaN, Number.POSITIVE_INFINITY]

  it.each(cases)('is none, whichever count is %s', (insane) => {
    const none = toTokenUsage(undefined)
    const sane = usage(5, 5)
    expect(toTokenUsage(usage(insane, 5))).toEqual(none)
    expect(toTokenUsage(usage(5, insane))).toEqual(none)
    expect(toTokenUsage({ ...sane, inputTokens: { ...sane.inputTokens, cacheRead: insane } })).toEqual(none)
    expect(toTokenUsage({ ...sane, inputTokens: { ...sane.inputTokens, cacheWrite: insane } })).toEqual(none)
    expect(toTokenUsage({ ...sane, outputTokens: { ...sane.outputTokens, reasoning: insane } })).toEqual(none)
  })

  it.each(cases)('tells nothing of the input either, with %s', (insane) => {
    for (const field of ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens']) {
      const told = { type: 'message_start', message: { usage: { input_tokens: 5, [field]: insane } } }
      expect(findInputUsage(told)).toBeNull()
    }
  })
})

describe('findInputUsage', () => {
  const start = (tokens: object) => ({ type: 'message_start', message: { id: 'x', usage: tokens } })

  it('adds up what Anthropic tells apart', () => {
    const tokens = { input_tokens: 5, cache_creation_input_tokens: 20, cache_read_input_tokens: 100, output_tokens: 1 }
    expect(findInputUsage(start(tokens))).toEqual({ inputTokens: 125, cachedInputTokens: 100, cacheWriteTokens: 20 })
    expect(findInputUsage(start({ input_tokens: 5, cache_read_input_tokens: null }))).toEqual({
      inputTokens: 5,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
    })
  })

  it('knows nothing from any other event', () => {
    for (const event of [null, 'x', { type: 'ping' }, { ...start({ input_tokens: 5 }), type: 'message_delta' }]) {
      expect(findInputUsage(event)).toBeNull()
    }
  })
})
