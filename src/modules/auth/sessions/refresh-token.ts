import { createHash, randomBytes } from 'node:crypto'

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

/** Mints a token. It names its tenant, so that it can be looked up inside that tenant's rows alone. */
export function mintRefreshToken(tenantId: string): RefreshToken {
  const tenant = Buffer.from(tenantId.replaceAll('-', ''), 'hex')
  return read(PREFIX + Buffer.concat([tenant, randomBytes(SECRET_BYTES)]).toString('base64url'), tenantId)
}

/** Null when the text is no token of ours, whoever made it. */
export function parseRefreshToken(text: string): RefreshToken | null {
  if (!text.startsWith(PREFIX)) return null
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url')
  if (bytes.length !== UUID_BYTES + SECRET_BYTES || PREFIX + bytes.toString('base64url') !== text) return null
  const hex = bytes.toString('hex', 0, UUID_BYTES)
  return read(text, [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'))
}

function read(text: string, tenantId: string): RefreshToken {
  return { text, tenantId, hash: createHash('sha256').update(text).digest() }
}
