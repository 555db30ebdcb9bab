import { describe, expect, it } from '@jest/globals'
import { AppConfig } from '../config/app-config.js'
import { Sealer } from './sealer.js'

const OLD = 'the secret of last year that has 32 characters'
const NEW = 'the secret of this year that has 32 characters'
const PLACE = 'idempotency_keys/1/a'
const TEXT = Buffer.from('{"key":"tn_secret"}')

function sealerWith(environment: Record<string, string>): Sealer {
  return new Sealer(AppConfig.parse({ NODE_ENV: 'test', ...environment }))
}

const sealer = sealerWith({ JWT_SECRET: NEW })

describe('Sealer', () => {
  it('gives back what was sealed, which shows nothing of it', () => {
    const sealed = sealer.seal(TEXT, PLACE)
    expect(sealed.includes('tn_secret')).toBe(false)
    expect(sealer.open(sealed, PLACE)).toEqual(TEXT)
  })

  it('seals the empty text', () => {
    expect(sealer.open(sealer.seal(Buffer.alloc(0), PLACE), PLACE)).toEqual(Buffer.alloc(0))
  })

  it('never seals one text twice in the same way', () => {
    expect(sealer.seal(TEXT, PLACE)).not.toEqual(sealer.seal(TEXT, PLACE))
  })

  it('opens on another replica with the same secret', () => {
    expect(sealerWith({ JWT_SECRET: NEW }).open(sealer.seal(TEXT, PLACE), PLACE)).toEqual(TEXT)
  })

  it('opens what was sealed under a previous secret, and seals under the new one', () => {
    const sealed = sealerWith({ JWT_SECRET: OLD }).seal(TEXT, PLACE)
    const rotated = sealerWith({ JWT_SECRET: NEW, JWT_PREVIOUS_SECRETS: OLD })
    expect(rotated.open(sealed, PLACE)).toEqual(TEXT)
    expect(sealer.open(rotated.seal(TEXT, PLACE), PLACE)).toEqual(TEXT)
  })

  it('does not open under a secret that it has never had', () => {
    const sealed = sealerWith({ JWT_SECRET: OLD }).seal(TEXT, PLACE)
    expect(() => sealer.open(sealed, PLACE)).toThrow('seal_unreadable')
  })

  it('does not open in another place', () => {
    expect(() => sealer.open(sealer.seal(TEXT, PLACE), 'idempotency_keys/2/a')).toThrow('seal_unreadable')
  })

  it('does not open once any of its bytes has changed, nor cut short', () => {
    const sealed = sealer.seal(TEXT, PLACE)
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(() => sealer.open(changed, PLACE)).toThrow('seal_unreadable')
      expect(() => sealer.open(sealed.subarray(0, index), PLACE)).toThrow('seal_unreadable')
    }
  })
})
