import { describe, expect, it } from '@jest/globals'
import { AppConfig } from '../config/app-config.js'
import { Sealer } from './sealer.js'

const OLD = 'an old secret for tests of more than 32 characters'
const NEW = 'a new secret for tests of more than 32 characters!'

const sealer = (JWT_SECRET: string, previous?: string): Sealer =>
  new Sealer(AppConfig.parse({ NODE_ENV: 'test', JWT_SECRET, JWT_PREVIOUS_SECRETS: previous }))

describe('Sealer', () => {
  const value = { link: 'https://example.com/#token=tnp_secret', name: 'Zoë ✓' }

  it('gives back what it sealed, and shows nothing of it', () => {
    const sealed = sealer(NEW).seal('mail', value)
    expect(sealer(NEW).open('mail', sealed)).toEqual(value)
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('tnp_')
  })

  it('never seals the same thing twice alike', () => {
    expect(sealer(NEW).seal('mail', value)).not.toBe(sealer(NEW).seal('mail', value))
  })

  it('opens what an earlier JWT_SECRET sealed, for as long as the operator names it', () => {
    const sealed = sealer(OLD).seal('mail', value)
    expect(sealer(NEW, OLD).open('mail', sealed)).toEqual(value)
    expect(() => sealer(NEW).open('mail', sealed)).toThrow('cannot be opened')
  })

  it('refuses what was sealed for another purpose', () => {
    expect(() => sealer(NEW).open('mail', sealer(NEW).seal('registration', value))).toThrow('cannot be opened')
  })

  it('refuses a text in which any byte was changed, and one that is too short', () => {
    const bytes = Buffer.from(sealer(NEW).seal('mail', value), 'base64url')
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes)
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(() => sealer(NEW).open('mail', changed.toString('base64url'))).toThrow('cannot be opened')
    }
    expect(() => sealer(NEW).open('mail', 'AAAA')).toThrow('cannot be opened')
  })
})
