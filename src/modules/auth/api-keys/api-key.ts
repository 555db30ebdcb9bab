import { createHash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const API_KEY_PREFIX = 'tn_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SECRET_LENGTH = 40
const CHECKSUM_LENGTH = 6
/** How much of a key its list shows, so that its owner knows which it is. */
const SHOWN_LENGTH = 10
const PATTERN = new RegExp(`^${API_KEY_PREFIX}([0-9A-Za-z]{${SECRET_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`)

/** An API key as its holder knows it: 238 bits at random, and a checksum that tells a typing error without a database. */
export interface ApiKey {
  readonly text: string
  /** What is stored in its place. */
  readonly hash: Buffer
  /** What may be shown of it. */
  readonly prefix: string
}

export function mintApiKey(): ApiKey {
  const secret = Array.from({ length: SECRET_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  return describe(API_KEY_PREFIX + secret + checksumOf(secret))
}

/** Null when the text is no key of ours, by form or checksum. */
export function parseApiKey(text: string): ApiKey | null {
  const [, secret, checksum] = PATTERN.exec(text) ?? []
  return secret !== undefined && checksumOf(secret) === checksum ? describe(text) : null
}

function describe(text: string): ApiKey {
  return { text, hash: createHash('sha256').update(text).digest(), prefix: text.slice(0, SHOWN_LENGTH) }
}

/** CRC32 of the secret in base 62, most significant digit first, padded to six digits. */
function checksumOf(secret: string): string {
  let rest = crc32(secret)
  let digits = ''
  while (digits.length < CHECKSUM_LENGTH) {
    digits = `${ALPHABET[rest % ALPHABET.length]}${digits}`
    rest = Math.floor(rest / ALPHABET.length)
  }
  return digits
}
