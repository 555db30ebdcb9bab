import { createHash, createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'tnr_'
const UUID_BYTES = 16
const SECRET_BYTES = 32

/** A refresh token as its holder knows it: the tenant it belongs to, and a secret. */
export interface RefreshToken {
  readonly text: string
  readonly tenantId: string
  /** What is stored in its place. */
  readonly hash: Buffer
}

/** Mints the first token of a session. It names its tenant, so that it can be looked up inside that tenant's rows alone. */
export function mintRefreshToken(tenantId: string): RefreshToken {
  return compose(tenantId, randomBytes(SECRET_BYTES))
}

/**
 * The token that replaces `parent`. Whoever has the parent and the server's key can make it again: that is how a parent in
 * its grace gets the same child, of which only the hash is stored.
 */
export function nextRefreshToken(parent: RefreshToken, key: Buffer): RefreshToken {
  return compose(parent.tenantId, createHmac('sha256', key).update(parent.text).digest())
}

/** Null when the text is no token of ours, whoever made it. */
export function parseRefreshToken(text: string): RefreshToken | null {
  if (!text.startsWith(PREFIX)) return null
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url')
  if (bytes.length !== UUID_BYTES + SECRET_BYTES || PREFIX + bytes.toString('base64url') !== text) return null
  const hex = bytes.toString('hex', 0, UUID_BYTES)
  return read(text, [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'))
}

function compose(tenantId: string, secret: Buffer): RefreshToken {
  const tenant = Buffer.from(tenantId.replaceAll('-', ''), 'hex')
  return read(PREFIX + Buffer.concat([tenant, secret]).toString('base64url'), tenantId)
}

function read(text: string, tenantId: string): RefreshToken {
  return { text, tenantId, hash: createHash('sha256').update(text).digest() }
}
