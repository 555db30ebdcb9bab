import { describe, expect, it } from '@jest/globals'
import { boundedResult, boundedText, MAX_TOOL_RESULT_CHARACTERS } from './tool-result.js'

describe('boundedResult', () => {
  it('keeps a text of the greatest length as it is', () => {
    const text = 'x'.repeat(MAX_TOOL_RESULT_CHARACTERS)
    expect(boundedResult({ text, isError: true })).toEqual({ text, isError: true })
  })

  it('cuts a longer one and says how much is left', () => {
    const { text } = boundedResult({ text: 'x'.repeat(MAX_TOOL_RESULT_CHARACTERS + 1), isError: false })
    expect(text).toBe(
      `${'x'.repeat(MAX_TOOL_RESULT_CHARACTERS)}\n[cut: the first ${MAX_TOOL_RESULT_CHARACTERS} of ${MAX_TOOL_RESULT_CHARACTERS + 1} characters]`,
    )
  })
})

describe('boundedText', () => {
  it('leaves nothing that PostgreSQL could not hold, not at the cut either', () => {
    expect(boundedText('a\0b\uD83D', 10)).toBe('a\uFFFDb\uFFFD')
    expect(boundedText('ab😀', 3)).toBe('ab\uFFFD\n[cut: the first 3 of 4 characters]')
  })
})
