import { describe, expect, it } from '@jest/globals'
import { isStorable, toStorableJson, toStorableText } from './storable.js'

describe('toStorableText', () => {
  it('replaces null characters and halves of surrogate pairs, and nothing else', () => {
    expect(toStorableText('a\0b \uD83D c \uDE00 d 😀 \uFFFF\n')).toBe('a\uFFFDb \uFFFD c \uFFFD d 😀 \uFFFF\n')
  })
})

describe('toStorableJson', () => {
  it('replaces them in keys and values, however deep', () => {
    const json = toStorableJson({ 'k\0': ['v\uD83D', { '\uDE00': '😀' }], n: 1, none: null })
    expect(JSON.parse(json)).toEqual({ 'k\uFFFD': ['v\uFFFD', { '\uFFFD': '😀' }], n: 1, none: null })
  })

  it.each(['\\u0000', '\\\\u0000', '\\ud83d', '\\', '\\\0', '"\0"', '\t\n'])(
    'leaves escapes that are text: %j',
    (text) => {
      expect(JSON.parse(toStorableJson({ text }))).toEqual({ text: text.replaceAll('\0', '\uFFFD') })
    },
  )
})

describe('isStorable', () => {
  it('refuses null characters only', () => {
    expect(isStorable('a\0')).toBe(false)
    expect(isStorable('\u0001 \uD83D \uFFFF')).toBe(true)
  })
})
