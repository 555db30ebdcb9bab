import { createHash, randomBytes } from 'node:crypto'
import type { OneTimeTokenKind } from './one-time-token.entity.js'

const SECRET_BYTES = 32
/** So that a secret that turns up somewhere tells what it is, and one kind never passes for the other. */
const PREFIXES: Record<OneTimeTokenKind, string> = { password_reset: 'tnp_', email_verification: 'tnv_' }

/** A one-time token as its holder knows it. */
export interface OneTimeToken {
  readonly text: string
  /** What is stored in its place. */
  readonly hash: Buffer
}

export function mintOneTimeToken(kind: OneTimeTokenKind): OneTimeToken {
  return describe(PREFIXES[kind] + randomBytes(SECRET_BYTES).toString('base64url'))
}

/** Null when the text is no token of that kind, whoever made it. */
export function parseOneTimeToken(kind: OneTimeTokenKind, text: string): OneTimeToken | null {
  const prefix = PREFIXES[kind]
  if (!text.startsWith(prefix)) return null
  const secret = Buffer.from(text.slice(prefix.length), 'base64url')
  return secret.length === SECRET_BYTES && prefix + secret.toString('base64url') === text ? describe(text) : null
}

function describe(text: string): OneTimeToken {
  return { text, hash: createHash('sha256').update(text).digest() }
}
