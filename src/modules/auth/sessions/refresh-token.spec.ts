import { describe, expect, it } from '@jest/globals'
import { newId } from '#kernel/ids.js'
import { mintRefreshToken, nextRefreshToken, parseRefreshToken } from './refresh-token.js'

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

  it('have one successor each, which nobody without the key can make', () => {
    const [parent, key] = [mintRefreshToken(newId()), Buffer.alloc(32, 1)]
    const next = nextRefreshToken(parent, key)
    expect(nextRefreshToken(parent, key)).toEqual(next)
    expect(parseRefreshToken(next.text)).toEqual(next)
    expect(nextRefreshToken(parent, Buffer.alloc(32, 2)).text).not.toBe(next.text)
    expect(nextRefreshToken(mintRefreshToken(parent.tenantId), key).text).not.toBe(next.text)
  })
})
