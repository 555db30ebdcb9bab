import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { canonicalArguments, hashArguments, MAX_ARGUMENTS_BYTES } from './arguments-hash.js'

describe('the hash of arguments', () => {
  it('is SHA-256 of their canonical JSON', () => {
    const expected = createHash('sha256').update('{"a":[1,true,null],"b":"x"}').digest()
    expect(hashArguments({ b: 'x', a: [1, true, null] })).toEqual(expected)
  })

  it('is the same whatever the order of the keys, and through a round of JSON', () => {
    const value = { z: { b: 1.5e300, a: -0 }, é: '\u2028"\\', a: [] }
    expect(hashArguments({ a: [], z: { a: 0, b: 1.5e300 }, é: '\u2028"\\' })).toEqual(hashArguments(value))
    expect(hashArguments(JSON.parse(JSON.stringify(value)))).toEqual(hashArguments(value))
  })

  it.each([
    [{ a: 1 }, { a: '1' }],
    [{ a: 1 }, { a: 1, b: null }],
    [
      [1, 2],
      [2, 1],
    ],
    [{ url: 'https://example.com' }, { url: 'https://example.com ' }],
    [null, {}],
  ])('tells %j from %j', (one, other) => {
    expect(hashArguments(one)).not.toEqual(hashArguments(other))
  })

  it.each([
    ['nothing', undefined],
    ['a function', () => 1],
    ['no number', { a: Number.NaN }],
    ['half of a surrogate pair', { a: '\ud800' }],
    ['a null character', { a: ['x\0'] }],
    ['a null character after a backslash', { a: '\\\0' }],
    ['a null character in a key', { 'a\0': 1 }],
    ['too much', 'x'.repeat(MAX_ARGUMENTS_BYTES - 1)],
  ])('is refused to %s', (_what, value) => {
    expect(() => hashArguments(value)).toThrow(expect.objectContaining({ code: 'invalid_arguments' }))
  })

  it('is not refused to what only looks like a null character, nor to as much as fits', () => {
    expect(canonicalArguments('\\u0000')).toBe(String.raw`"\\u0000"`)
    expect(canonicalArguments('x'.repeat(MAX_ARGUMENTS_BYTES - 2))).toHaveLength(MAX_ARGUMENTS_BYTES)
  })
})
