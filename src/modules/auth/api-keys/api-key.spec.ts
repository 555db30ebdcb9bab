import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { mintApiKey, parseApiKey } from './api-key.js'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const FORM = /^tn_[0-9A-Za-z]{40}[0-9A-Za-z]{6}$/
const SAMPLES = 2000

describe('an API key', () => {
  it('is tn_, forty characters at random and six of checksum, and no two are alike', () => {
    const keys = Array.from({ length: SAMPLES }, () => mintApiKey().text)
    for (const key of keys) expect(key).toMatch(FORM)
    expect(new Set(keys).size).toBe(SAMPLES)
  })

  it('uses each of the 62 characters as often as any other', () => {
    const counts = new Map<string, number>()
    for (let sample = 0; sample < SAMPLES; sample++) {
      for (const character of mintApiKey().text.slice(3, 43)) counts.set(character, (counts.get(character) ?? 0) + 1)
    }
    // Eight standard deviations: once in a billion runs by chance, while a byte modulo 62 would be off by more than that.
    const mean = (SAMPLES * 40) / ALPHABET.length
    for (const character of ALPHABET) {
      expect(Math.abs((counts.get(character) ?? 0) - mean)).toBeLessThan(8 * Math.sqrt(mean))
    }
  })

  it('is read back as it was made', () => {
    const key = mintApiKey()
    expect(parseApiKey(key.text)).toEqual(key)
  })

  // Computed with zlib.crc32 and hashlib of Python.
  it.each([
    ['tn_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd0omAup'],
    ['tn_MNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz2Eigzg'],
    ['tn_00000000000000000000000000000000000000002kaqcA'],
    ['tn_00000000000000000000000000000000UJ2mgOK800000y'],
  ])('has the CRC32 of its secret in base 62 at its end: %s', (text) => {
    expect(parseApiKey(text)?.text).toBe(text)
  })

  it('is known by its SHA-256, and shown by its first ten characters', () => {
    const key = parseApiKey('tn_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd0omAup')
    expect(key?.prefix).toBe('tn_0123456')
    expect(key?.hash.toString('hex')).toBe('d87320ab239bcd3d963cccd1086c504feef8f5119ba6f1c9554870b1db156b00')
    const minted = mintApiKey()
    expect(minted.hash).toEqual(createHash('sha256').update(minted.text).digest())
  })

  it('is refused with any one character changed', () => {
    const { text } = mintApiKey()
    const changed = Array.from(text, (original, at) =>
      Array.from(`${ALPHABET}_-`)
        .filter((character) => character !== original)
        .map((character) => text.slice(0, at) + character + text.slice(at + 1)),
    ).flat()
    expect(changed.length).toBeGreaterThan(49 * 61)
    expect(changed.filter((one) => parseApiKey(one) !== null)).toEqual([])
  })

  it.each([
    ['nothing', () => ''],
    ['its prefix alone', () => 'tn_'],
    ['one character more', () => `${mintApiKey().text}0`],
    ['one character less', () => mintApiKey().text.slice(0, -1)],
    ['a line feed at its end', () => `${mintApiKey().text}\n`],
    ['a space before it', () => ` ${mintApiKey().text}`],
    ['another prefix', () => mintApiKey().text.replace('tn_', 'sk_')],
    ['the prefix in capitals', () => mintApiKey().text.replace('tn_', 'TN_')],
    ['a refresh token', () => `tnr_${'A'.repeat(45)}`],
    ['a letter from another alphabet', () => mintApiKey().text.replace(/.$/, 'А')],
  ])('is not %s', (_what, make) => {
    expect(parseApiKey(make())).toBeNull()
  })
})
