import { describe, expect, it } from '@jest/globals'
import { givenPasswordSchema, newPasswordSchema } from './password-policy.js'

describe('newPasswordSchema', () => {
  it.each([
    ['Short1aaaaa', 'must have at least 12 characters'],
    ['alllowercase1', 'must have an upper-case letter'],
    ['ALLUPPERCASE1', 'must have a lower-case letter'],
    ['NoDigitsInHere', 'must have a digit'],
  ])('refuses %j: %s', (password, message) => {
    const result = newPasswordSchema.safeParse(password)
    expect(result.error?.issues.map((issue) => issue.message)).toEqual([message])
  })

  it('counts characters, not code units', () => {
    expect(newPasswordSchema.safeParse('Aa1😀😀😀😀😀').success).toBe(false)
  })

  it('takes long passphrases whole', () => {
    const phrase = `Correct horse battery staple 42 ${'x'.repeat(400)}`
    expect(newPasswordSchema.parse(phrase)).toBe(phrase)
  })

  it('sees composed and decomposed forms as one password', () => {
    expect(newPasswordSchema.parse('Crème brûlée 1')).toBe(givenPasswordSchema.parse('Crème brûlée 1'.normalize('NFD')))
  })
})
