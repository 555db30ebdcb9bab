import { describe, expect, it } from '@jest/globals'
import { mintOneTimeToken, parseOneTimeToken } from './one-time-token.js'

describe('a one-time token', () => {
  it('has 256 bits at random behind a prefix that tells its kind', () => {
    const [first, second] = [mintOneTimeToken('password_reset'), mintOneTimeToken('password_reset')]
    expect(first.text).toMatch(/^tnp_[\w-]{43}$/)
    expect(mintOneTimeToken('email_verification').text).toMatch(/^tnv_[\w-]{43}$/)
    expect(first.text).not.toBe(second.text)
    expect(first.hash.equals(second.hash)).toBe(false)
  })

  it('is read back with the hash that was stored', () => {
    const minted = mintOneTimeToken('password_reset')
    expect(parseOneTimeToken('password_reset', minted.text)).toEqual(minted)
  })

  it.each([
    ['another kind', 'password_reset', mintOneTimeToken('email_verification').text],
    ['one that is too short', 'password_reset', 'tnp_AAAA'],
    ['one that is too long', 'password_reset', `${mintOneTimeToken('password_reset').text}AAAA`],
    ['another spelling of the same bytes', 'password_reset', `tnp_${'A'.repeat(42)}B`],
    ['padding', 'password_reset', `tnp_${'A'.repeat(43)}=`],
    ['no token', 'email_verification', 'garbage'],
  ] as const)('is refused: %s', (_, kind, text) => {
    expect(parseOneTimeToken(kind, text)).toBeNull()
  })
})
