import { describe, expect, it } from '@jest/globals'
import { AppConfig } from '#platform/config/app-config.js'
import { passwordSchema } from './password.schemas.js'
import { PasswordPolicy } from './password-policy.service.js'

const JWT_SECRET = 'a secret for tests that has more than 32 characters'
const policyWith = (env: Record<string, string> = {}): PasswordPolicy =>
  new PasswordPolicy(AppConfig.parse({ JWT_SECRET, ...env }))
const refusalOf = async (password: string, words: string[] = [], env = {}): Promise<string | undefined> =>
  policyWith(env)
    .assertAcceptable(password, words)
    .then(
      () => undefined,
      (error: { errors?: { detail: string }[] }) => error.errors?.[0]?.detail,
    )

describe('PasswordPolicy', () => {
  it.each([
    ['Short1aaaaa', 'must have at least 12 characters'],
    ['alllowercase1', 'must have an upper-case letter'],
    ['ALLUPPERCASE1', 'must have a lower-case letter'],
    ['NoDigitsInHere', 'must have a digit'],
  ])('refuses %j: %s', async (password, message) => {
    expect(await refusalOf(password)).toBe(message)
  })

  it.each(['Password1234', 'Qwerty123456', 'P@ssw0rd1234', 'Welcome12345', 'Test1234Test1234', 'Admin1234567'])(
    'refuses %j, which is tried first',
    async (password) => {
      expect(await refusalOf(password)).toBe('is among the passwords that are tried first: choose another')
    },
  )

  it.each(['TempoNest-2026', 'Acme-Corp-2026', 'AcmeCorp2026!!', 'Ada.Lovelace1815'])(
    'refuses %j, made of product and account words',
    async (password) => {
      const words = ['ada.lovelace@acme.example', 'Ada Lovelace', 'Acme Corp']
      expect(await refusalOf(password, words)).toBe('is made of names around this account: choose another')
    },
  )

  it.each(['Correct-Horse-42', 'Tr0ub4dor&3-and-more', 'Crème brûlée 1 zum Nachtisch', 'Acme-Corp-loves-Otters-7'])(
    'takes %j',
    async (password) => {
      expect(await refusalOf(password, ['ada@acme.example', 'Acme Corp'])).toBeUndefined()
    },
  )

  it('counts characters, not code units', async () => {
    expect(await refusalOf('Aa1😀😀😀😀😀')).toBe('must have at least 12 characters')
  })

  it('asks for length alone where the operator follows NIST', async () => {
    const env = { PASSWORD_POLICY: 'length', PASSWORD_MIN_LENGTH: '15' }
    expect(await refusalOf('correct horse battery staple', [], env)).toBeUndefined()
    expect(await refusalOf('Correct-Horse1', [], env)).toBe('must have at least 15 characters')
    expect(await refusalOf('passwordpassword', [], env)).toMatch(/tried first/)
  })

  it('takes 512 characters, whatever they repeat', async () => {
    expect(await refusalOf(`Aa1${'p@ssw0rd'.repeat(63)}`)).toBeUndefined()
  })
})

describe('passwordSchema', () => {
  it('takes long passphrases whole', () => {
    const phrase = `Correct horse battery staple 42 ${'x'.repeat(400)}`
    expect(passwordSchema.parse(phrase)).toBe(phrase)
  })

  it('sees composed and decomposed forms as one password', () => {
    expect(passwordSchema.parse('Crème brûlée 1')).toBe(passwordSchema.parse('Crème brûlée 1'.normalize('NFD')))
  })
})
