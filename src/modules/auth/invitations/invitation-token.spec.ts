import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { mintInvitationToken, parseInvitationToken } from './invitation-token.js'

describe('invitation token', () => {
  it('has 256 bits behind a prefix that says what it is, and is read back as it was minted', () => {
    const token = mintInvitationToken()
    expect(token.text).toMatch(/^tni_[\w-]{43}$/)
    expect(token.hash).toEqual(createHash('sha256').update(token.text).digest())
    expect(parseInvitationToken(token.text)).toEqual(token)
    expect(mintInvitationToken().text).not.toBe(token.text)
  })

  it.each(['', 'tni_', 'tnr_', 'tni_short', ` ${mintInvitationToken().text}`, `${mintInvitationToken().text}A`])(
    'is not %j',
    (text) => {
      expect(parseInvitationToken(text)).toBeNull()
    },
  )
})
