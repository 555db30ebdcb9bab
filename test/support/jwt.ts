import { createHmac } from 'node:crypto'
import { TEST_JWT_SECRET } from './test-app.js'

/** The parts of a token, as an attacker takes it apart. */
export interface TokenParts {
  readonly header: Record<string, unknown>
  readonly claims: Record<string, unknown>
}

export function takeApart(token: string): TokenParts {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'))
  return { header: JSON.parse(header ?? ''), claims: JSON.parse(claims ?? '') }
}

/** Puts a token together and signs it with HMAC, by default with the server's own secret. */
export function forge(
  { header, claims }: TokenParts,
  secret: string | Buffer = TEST_JWT_SECRET,
  hash = 'sha256',
): string {
  const content = `${encode(header)}.${encode(claims)}`
  return `${content}.${createHmac(hash, secret).update(content).digest('base64url')}`
}

export function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
