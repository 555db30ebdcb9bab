import { describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { mintRefreshToken, parseRefreshToken } from './refresh-token.js'

describe('refresh tokens', () => {
  it('name their tenant and survive the trip', () => {
    const tenantId = newId()
    const token = mintRefreshToken(tenantId)
    expect(parseRefreshToken(token.text)).toEqual(token)
    expect(token.tenantId).toBe(tenantId)
    expect(token.text).not.toContain(token.hash.toString('base64url'))
  })

  it.each(['', 'tnr_', 'tnr_AAAA', `${mintRefreshToken(newId()).text}A`, `${mintRefreshToken(newId()).text}=`, 'tn_x'])(
    'are refused when malformed: %j',
    (text) => {
      expect(parseRefreshToken(text)).toBeNull()
    },
  )
})
