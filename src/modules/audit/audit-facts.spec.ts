import { describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { MAX_FACTS_BYTES, recordedChanges, REDACTED, storableText } from './audit-facts.js'

const UUID = '0199f0f0-0000-7000-8000-000000000001'

function keptOf(after: Record<string, unknown>): Record<string, unknown> {
  return { ...recordedChanges(undefined, after).after }
}

describe('what the audit log keeps of a change', () => {
  it('is the fields that differ, when there was something before', () => {
    const before = { name: 'Ada', role: 'member', scopes: ['a', 'b'], since: new Date(0) }
    const after = { name: 'Ada', role: 'admin', scopes: ['a', 'b'], since: new Date(0), note: 'promoted' }
    expect(recordedChanges(before, after)).toEqual({
      before: { role: 'member' },
      after: { role: 'admin', note: 'promoted' },
    })
  })

  it('is all of what was made or removed', () => {
    expect(recordedChanges(undefined, { name: 'Ada' })).toEqual({ before: null, after: { name: 'Ada' } })
    expect(recordedChanges({ name: 'Ada' }, undefined)).toEqual({ before: { name: 'Ada' }, after: null })
  })

  it('shows that a secret changed, and neither of the two', () => {
    expect(recordedChanges({ passwordHash: 'old', name: 'Ada' }, { passwordHash: 'new', name: 'Ada' })).toEqual({
      before: { passwordHash: REDACTED },
      after: { passwordHash: REDACTED },
    })
  })

  it.each([
    'password',
    'Password',
    'newPassword',
    'password_hash',
    'passwd',
    'token',
    'accessToken',
    'refresh-token',
    'ACCESSTOKEN',
    'tokens',
    'secret',
    'clientSecret',
    'webhook_secrets',
    'key',
    'apiKey',
    'apikey',
    'API_KEY',
    'keyHash',
    'hashes',
    'keyId',
    'tokenExpiresAt',
    'otp',
    'pin',
    'cookies',
    'Authorization',
    'signature',
  ])('redacts what is called %s, at any depth', (name) => {
    const value = { deep: [{ [name]: 'hunter2' }], [name]: { nested: 'hunter2' } }
    expect(keptOf(value)).toEqual({ deep: [{ [name]: REDACTED }], [name]: REDACTED })
  })

  it('keeps what only sounds like a secret', () => {
    const harmless = {
      apiKeyId: UUID,
      passwordChangedAt: '2026-01-02T03:04:05.678Z',
      hasPassword: true,
      token: null,
      maxTokens: 1000,
      monkey: 'see',
      keyboard: 'qwerty',
      hashtag: '#one',
      scopes: ['api-keys:read'],
    }
    expect(keptOf(harmless)).toEqual(harmless)
  })

  it.each([
    ['an API key', `tn_${'aB3'.repeat(15)}x`],
    ['a refresh token', `the link tnr_${'a-_B'.repeat(16)}`],
    ['a JWT', 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln'],
    ['a webhook secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    ['a password hash', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'],
  ])('redacts %s whatever it is called', (_what, secret) => {
    expect(keptOf({ note: secret, list: [secret] })).toEqual({ note: REDACTED, list: [REDACTED] })
  })

  it('keeps values as JSON can say them', () => {
    const value = {
      date: new Date(0),
      noDate: new Date(NaN),
      big: 12345678901234567890n,
      nan: NaN,
      bytes: Buffer.from('x'),
      set: new Set([1, 2]),
      gone: undefined,
      call: () => 1,
    }
    expect(keptOf(value)).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      noDate: null,
      big: '12345678901234567890',
      nan: null,
      bytes: '[binary]',
      set: [1, 2],
    })
  })

  it('has room for a page of it: long texts, lists and depths are cut, and what is still too large is named', () => {
    expect(String(keptOf({ text: 'x'.repeat(10_000) })['text'])).toHaveLength(2001)
    expect(keptOf({ list: Array.from({ length: 1000 }, () => 0) })['list']).toHaveLength(100)
    let deep: Record<string, unknown> = {}
    for (let level = 0; level < 100; level += 1) deep = { deep }
    expect(JSON.stringify(keptOf(deep))).toContain('[too deep]')
    const large = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`field${index}`, '€'.repeat(1000)]))
    expect(keptOf(large)).toEqual({ truncated: true, fields: Object.keys(large) })
  })

  it('fits its limit and can be stored, whatever it is given', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.anything({ withBigInt: true })), (facts) => {
        const text = JSON.stringify(keptOf(facts))
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_FACTS_BYTES)
        expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/)
      }),
    )
  })
})

describe('a text of the audit log', () => {
  it('is cut and made storable', () => {
    expect(storableText('a\0b\ud800c')).toBe('a\uFFFDb\uFFFDc')
    expect(storableText('abcdef', 3)).toBe('abc…')
  })
})
