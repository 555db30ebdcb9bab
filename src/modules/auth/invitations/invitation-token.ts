import { createHash, randomBytes } from 'node:crypto'

const PREFIX = 'tni_'
const SECRET_BYTES = 32
const PATTERN = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`)

/** The secret of an invitation as the invited one gets it. */
export interface InvitationToken {
  readonly text: string
  /** What is stored in its place. */
  readonly hash: Buffer
}

export function mintInvitationToken(): InvitationToken {
  return describe(PREFIX + randomBytes(SECRET_BYTES).toString('base64url'))
}

/** Null when the text cannot be a token of ours. */
export function parseInvitationToken(text: string): InvitationToken | null {
  return PATTERN.test(text) ? describe(text) : null
}

function describe(text: string): InvitationToken {
  return { text, hash: createHash('sha256').update(text).digest() }
}
