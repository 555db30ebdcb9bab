import { describe, expect, it } from '@jest/globals'
import { fingerprintOf, isOfOrigin, toViolation } from './csp-violation.js'

const REPORTED = {
  directive: 'script-src-elem',
  documentUri: 'https://app.example/docs',
  blockedUri: 'https://evil.example/x.js',
}

describe('a reported violation', () => {
  it('is kept by directive, document and what was blocked', () => {
    expect(toViolation(REPORTED)).toEqual(REPORTED)
  })

  it.each([
    ['a query', 'https://app.example/docs?token=secret', 'https://app.example/docs'],
    ['a fragment', 'https://app.example/docs#access_token=secret', 'https://app.example/docs'],
    ['a user and a password', 'https://user:secret@app.example:8443/docs', 'https://app.example:8443/docs'],
    ['all of a data: URL', 'data:text/html,secret', 'data'],
    ['all of a blob: URL', 'blob:https://app.example/secret', 'blob'],
    ["an extension's id", 'chrome-extension://secret/page.html', 'chrome-extension'],
    ['what is too long', `https://app.example/${'a'.repeat(5000)}`, `https://app.example/${'a'.repeat(980)}`],
  ])('loses %s', (_, uri, kept) => {
    expect(toViolation({ ...REPORTED, documentUri: uri })?.documentUri).toBe(kept)
    expect(toViolation({ ...REPORTED, blockedUri: uri })?.blockedUri).toBe(kept)
  })

  it.each(['inline', 'eval', 'wasm-eval', 'self', 'trusted-types-sink'])('keeps the word %s', (word) => {
    expect(toViolation({ ...REPORTED, blockedUri: word })?.blockedUri).toBe(word)
  })

  it('takes the name of the directive from the whole of it', () => {
    expect(toViolation({ ...REPORTED, directive: "Script-Src 'self' https://a.example" })?.directive).toBe('script-src')
  })

  it('may leave open what was blocked, as the older format does for inline code', () => {
    expect(toViolation({ ...REPORTED, blockedUri: '' })?.blockedUri).toBe('unknown')
  })

  it.each([
    ['no directive', { directive: '' }],
    ['a directive that is none', { directive: '<script>' }],
    ['an endless directive', { directive: 'a'.repeat(100) }],
    ['no document', { documentUri: '' }],
    ['a document that is no address', { documentUri: '//nowhere' }],
    ['something blocked that is no address', { blockedUri: 'not an address' }],
  ])('is none with %s', (_, wrong) => {
    expect(toViolation({ ...REPORTED, ...wrong })).toBeNull()
  })

  it.each([
    ['https://app.example/docs', 'https://app.example/base', 'other.example', true],
    ['https://app.example/docs', 'https://app.example:8443', 'app.example', false],
    ['https://evil.example/docs', 'https://app.example', 'evil.example', false],
    ['https://app.example/docs', undefined, 'app.example', true],
    ['https://app.example/docs', undefined, 'APP.example:443', true],
    ['http://127.0.0.1:3000/docs', undefined, '127.0.0.1:3000', true],
    ['http://127.0.0.1:3000/docs', undefined, '127.0.0.1:3001', false],
    ['https://app.example/docs', undefined, '', false],
    ['data', undefined, 'data', false],
  ])('of %s, where we are at %s and reached by %j, is ours: %s', (documentUri, publicUrl, host, isOurs) => {
    expect(isOfOrigin({ ...REPORTED, documentUri }, publicUrl, host)).toBe(isOurs)
  })

  it('is of another kind as soon as one of the three differs', () => {
    const kinds = [
      REPORTED,
      { ...REPORTED, directive: 'img-src' },
      { ...REPORTED, documentUri: 'https://app.example/' },
      { ...REPORTED, blockedUri: 'inline' },
    ]
    expect(new Set(kinds.map((kind) => fingerprintOf(kind).toString('hex'))).size).toBe(4)
    expect(fingerprintOf({ ...REPORTED })).toEqual(fingerprintOf(REPORTED))
  })
})
