import { createHmac, timingSafeEqual } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import type { Principal } from '#platform/http/principal.js'
import { CSRF_COOKIE, CSRF_HEADER } from './session-cookies.js'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Tells a request that our own page made from one that another site made a browser send: same origin, and a token that
 * only our page can read (signed double-submit cookie, OWASP CSRF Prevention Cheat Sheet). For cookie sessions alone: no
 * browser attaches an `Authorization` header by itself.
 */
@Injectable()
export class CsrfProtection {
  /** Today's, and those of JWT_PREVIOUS_SECRETS: a page that is open goes on through a rotation. */
  private readonly keys: readonly [Buffer, ...Buffer[]]
  private readonly publicOrigin: string | undefined

  constructor(config: AppConfig) {
    this.keys = config.deriveKeys('csrf')
    this.publicOrigin = config.settings.PUBLIC_URL && new URL(config.settings.PUBLIC_URL).origin
  }

  /** The token of one session; the same for as long as it lasts. */
  tokenOf(sessionId: string): string {
    return signed(sessionId, this.keys[0])
  }

  /** @throws AppError `csrf_failed` for an unsafe request that our page did not make in this session */
  assertIntended(request: FastifyRequest, { sessionId }: Pick<Principal, 'sessionId'>): void {
    if (SAFE_METHODS.has(request.method)) return
    const sent = this.assertOwnPage(request)
    if (sessionId === null || !this.keys.some((key) => isEqual(sent, signed(sessionId, key)))) throw tokenIsMissing()
  }

  /** The part that can be told before the session is known. @returns the token that was sent, as header and as cookie */
  assertOwnPage(request: FastifyRequest): string {
    this.assertSameOrigin(request)
    const sent = request.headers[CSRF_HEADER]
    if (typeof sent !== 'string' || !isEqual(sent, request.cookies[CSRF_COOKIE] ?? '')) throw tokenIsMissing()
    return sent
  }

  /** @throws AppError `csrf_failed` when a browser says that another site made the request */
  assertSameOrigin({ headers }: FastifyRequest): void {
    const { origin, host, 'sec-fetch-site': site } = headers
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw forged('Another site made this request.')
    if (origin === undefined) return
    if (origin !== (this.publicOrigin ?? originOf(host, origin))) throw forged('Another origin made this request.')
  }
}

function signed(sessionId: string, key: Buffer): string {
  return createHmac('sha256', key).update(sessionId).digest('base64url')
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Our origin by the Host header, with the scheme that the browser sees: TLS may end before us. */
function originOf(host = '', seen: string): string | undefined {
  const url = `${seen.startsWith('https://') ? 'https' : 'http'}://${host}`
  return URL.canParse(url) ? new URL(url).origin : undefined
}

function tokenIsMissing(): AppError {
  return forged('Send the CSRF token of this session in X-CSRF-Token.')
}

function forged(detail: string): AppError {
  return new AppError('csrf_failed', 'forbidden', { detail })
}
