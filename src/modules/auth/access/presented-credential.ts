import type { FastifyRequest } from 'fastify'
import { API_KEY_PREFIX } from '../api-keys/api-key.js'
import { ACCESS_COOKIE } from '../sessions/session-cookies.js'

/** What a request brings to say who it is from. */
export type PresentedCredential =
  | { readonly kind: 'access_token'; readonly text: string; readonly fromCookie: boolean }
  | { readonly kind: 'api_key'; readonly text: string }

const BEARER_PATTERN = /^Bearer +(\S+)$/i

/**
 * The one credential of a request; null when there is none. A header comes before a cookie: who sends a header is no
 * browser that was tricked. An `Authorization` that we cannot read is a credential that is wrong, not an absent one.
 */
export function presentedCredential({ headers, cookies }: FastifyRequest): PresentedCredential | null {
  const { authorization, 'x-api-key': apiKey } = headers
  if (authorization !== undefined) {
    const text = BEARER_PATTERN.exec(authorization)?.[1] ?? ''
    return text.startsWith(API_KEY_PREFIX)
      ? { kind: 'api_key', text }
      : { kind: 'access_token', text, fromCookie: false }
  }
  if (apiKey !== undefined) return { kind: 'api_key', text: String(apiKey) }
  const cookie = cookies?.[ACCESS_COOKIE]
  return cookie === undefined ? null : { kind: 'access_token', text: cookie, fromCookie: true }
}
