import { Injectable } from '@nestjs/common'
import type { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { invalidField } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'

/** zxcvbn's scale is 0–4; below 2 a password falls to a million guesses: a common one with digits behind it, say. */
const MIN_SCORE = 2
/** What zxcvbn looks at, on the event loop: some 20 ms at worst. Its time grows with the square, and a longer password is not weaker. */
const MAX_ANALYSED_LENGTH = 48
const MAX_ANALYSED_WORDS = 20
const NO_LETTERS_OR_DIGITS = /[^\p{L}\p{N}]+/u
const PRODUCT_WORDS = ['temponest', 'tempo', 'nest']
const MIN_WORD_LENGTH = 4
/** How much must be left of a password once the words around the account are taken out of it. */
const MIN_OWN_CHARACTERS = 8

const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/\p{Lu}/u, 'must have an upper-case letter'],
  [/\p{Ll}/u, 'must have a lower-case letter'],
  [/\p{Nd}/u, 'must have a digit'],
]

/**
 * Which new passwords are taken: long enough, of all classes unless the operator follows NIST SP 800-63B §3.1.1.2, and
 * not among the ones that are tried first, such as the 30 000 most common and the words around this account.
 */
@Injectable()
export class PasswordPolicy {
  private analyser: Promise<ZxcvbnFactory> | undefined

  constructor(private readonly config: AppConfig) {}

  /**
   * @param words of the account: address, name, tenant
   * @throws AppError `validation_failed` at `pointer`
   */
  async assertAcceptable(
    password: string,
    words: readonly (string | undefined)[],
    pointer = '/password',
  ): Promise<void> {
    const { PASSWORD_MIN_LENGTH: minLength, PASSWORD_POLICY: policy } = this.config.settings
    if (Array.from(password).length < minLength)
      throw invalidField(pointer, `must have at least ${minLength} characters`)
    const missing = policy === 'classes' && CLASSES.find(([pattern]) => !pattern.test(password))
    if (missing) throw invalidField(pointer, missing[1])
    const guessable = [...PRODUCT_WORDS, ...words.flatMap(wordsOf)]
    if (isMadeOf(password, guessable))
      throw invalidField(pointer, 'is made of names around this account: choose another')
    this.analyser ??= loadAnalyser()
    const { score } = (await this.analyser).check(
      password.slice(0, MAX_ANALYSED_LENGTH),
      guessable.slice(0, MAX_ANALYSED_WORDS),
    )
    if (score < MIN_SCORE) throw invalidField(pointer, 'is among the passwords that are tried first: choose another')
  }
}

/** Loaded with the first registration: the dictionary is large, and most starts never need it. */
async function loadAnalyser(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ])
  return new ZxcvbnFactory({ dictionary: common.dictionary, graphs: common.adjacencyGraphs })
}

function wordsOf(text: string | undefined): string[] {
  const words = (text ?? '').toLowerCase().split(NO_LETTERS_OR_DIGITS)
  return [...words, words.join('')].filter((word) => word.length >= MIN_WORD_LENGTH)
}

function isMadeOf(password: string, words: readonly string[]): boolean {
  const longestFirst = [...new Set(words)].sort((a, b) => b.length - a.length)
  const letters = password.toLowerCase().split(NO_LETTERS_OR_DIGITS).join('')
  const own = longestFirst.reduce((rest, word) => rest.replaceAll(word, ''), letters)
  return own.length < letters.length && own.length < MIN_OWN_CHARACTERS
}
