import { isDeepStrictEqual } from 'node:util'

type Facts = Readonly<Record<string, unknown>>

/** More than this of either side is left out, so that a row stays a row. */
export const MAX_FACTS_BYTES = 16_384
const MAX_TEXT_LENGTH = 2000
const MAX_NAME_LENGTH = 100
const MAX_ENTRIES = 100
const MAX_DEPTH = 8

export const REDACTED = '[redacted]'
const TOO_DEEP = '[too deep]'
const BINARY = '[binary]'
const REPLACEMENT = '\uFFFD'

/** A name with one of these anywhere is a secret's. */
const SECRET_PARTS = /passw|passphrase|secret|credential|cookie|authorization|privatekey|apikey|(access|refresh)token/i
/** A name with one of these as a word of its own, so not `monkey` or `hashtag`. */
const SECRET_WORDS = new Set(['token', 'key', 'hash', 'otp', 'pin', 'jwt', 'csrf', 'salt', 'signature'])
/** Texts that are secrets whatever they are called: our keys and tokens, JWTs, webhook secrets, password hashes. */
const SECRET_TEXT = /\btnr?_[\w-]{40,}|\bwhsec_\S|\beyJ[\w-]+\.[\w-]+\.|\$(argon2|2[aby])\S*\$/
/** What such a name may end in without holding the secret itself, if the value is what the name says. */
const ID_NAME = /ids?$/i
const TIME_NAME = /at$/i
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

/**
 * What the log keeps of a change: the fields that differ, without secrets, and no more than fits. Emitters leave secrets out;
 * that they are blotted out here by name and by form is the belt to those braces.
 */
export function recordedChanges(
  before: Facts | undefined,
  after: Facts | undefined,
): { before: Facts | null; after: Facts | null } {
  const isKept = (name: string): boolean => !before || !after || !isDeepStrictEqual(before[name], after[name])
  return { before: keepFields(before, isKept), after: keepFields(after, isKept) }
}

/** A text as PostgreSQL can hold it, and no longer than the log keeps. */
export function storableText(text: string, maxLength = MAX_TEXT_LENGTH): string {
  const clipped = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  return clipped.replaceAll('\0', REPLACEMENT).toWellFormed()
}

function keepFields(facts: Facts | undefined, isKept: (name: string) => boolean): Facts | null {
  if (!facts) return null
  const kept = keepObject(Object.fromEntries(Object.entries(facts).filter(([name]) => isKept(name))), 1)
  if (Buffer.byteLength(JSON.stringify(kept)) <= MAX_FACTS_BYTES) return kept
  return { truncated: true, fields: Object.keys(kept) }
}

function keepObject(object: Facts, depth: number): Facts {
  const members = Object.entries(object)
    .filter(([, value]) => value !== undefined && typeof value !== 'function' && typeof value !== 'symbol')
    .slice(0, MAX_ENTRIES)
    .map(([name, value]) => [
      storableText(name, MAX_NAME_LENGTH),
      isSecret(name, value) ? REDACTED : keep(value, depth),
    ])
  return Object.fromEntries(members) as Facts
}

function keep(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return SECRET_TEXT.test(value) ? REDACTED : storableText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'boolean') return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Uint8Array) return BINARY
  if (typeof value !== 'object' || value === null) return null
  if (depth >= MAX_DEPTH) return TOO_DEEP
  if (value instanceof Set) return keep([...value], depth)
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item: unknown) => keep(item, depth + 1))
  return keepObject(value as Facts, depth + 1)
}

/** By its name, unless the value can be none: yes, no, nothing, the id of a key, the time of a password's change. */
function isSecret(name: string, value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return false
  if (ID_NAME.test(name) && typeof value === 'string' && UUID.test(value)) return false
  if (TIME_NAME.test(name) && (value instanceof Date || (typeof value === 'string' && TIME.test(value)))) return false
  return SECRET_PARTS.test(name.replaceAll(/[^a-z]/gi, '')) || wordsOf(name).some((word) => isSecretWord(word, value))
}

function isSecretWord(word: string, value: unknown): boolean {
  // `maxTokens: 1000` counts them.
  if (typeof value === 'number' && word.endsWith('s')) return false
  return SECRET_WORDS.has(word) || SECRET_WORDS.has(word.replace(/(es|s)$/, ''))
}

/** `keyHash`, `key_hash` and `KEY-HASH` are the words `key` and `hash`. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
}
