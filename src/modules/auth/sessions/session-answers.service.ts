import { Injectable } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { invalidField } from '#kernel/app-error.js'
import { identityOf } from '../accounts/account-view.js'
import type { BrowserSession, TokenPair } from '../auth.schemas.js'
import { CsrfProtection } from './csrf-protection.service.js'
import {
  ACCESS_COOKIE,
  CSRF_COOKIE,
  READABLE_COOKIE_OPTIONS,
  REFRESH_COOKIE,
  SECRET_COOKIE_OPTIONS,
} from './session-cookies.js'
import type { SignedIn } from './sign-in.service.js'

/** Hands tokens out: in the body to a program, in cookies to a browser, where no script can read them. */
@Injectable()
export class SessionAnswers {
  constructor(private readonly csrf: CsrfProtection) {}

  toTokenPair({ account, tokens: { accessToken, refreshToken, expiresIn } }: SignedIn): TokenPair {
    return { ...identityOf(account), accessToken, refreshToken, tokenType: 'Bearer', expiresIn }
  }

  setCookies(reply: FastifyReply, { account, tokens }: SignedIn): BrowserSession {
    const csrfToken = this.csrf.tokenOf(tokens.sessionId)
    void reply
      .setCookie(ACCESS_COOKIE, tokens.accessToken, { ...SECRET_COOKIE_OPTIONS, maxAge: tokens.expiresIn })
      .setCookie(REFRESH_COOKIE, tokens.refreshToken, SECRET_COOKIE_OPTIONS)
      .setCookie(CSRF_COOKIE, csrfToken, READABLE_COOKIE_OPTIONS)
    return { ...identityOf(account), csrfToken, expiresIn: tokens.expiresIn }
  }

  clearCookies(request: FastifyRequest, reply: FastifyReply): void {
    for (const name of [ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE]) {
      if (request.cookies[name] !== undefined) void reply.clearCookie(name, SECRET_COOKIE_OPTIONS)
    }
  }

  /** The refresh token of the cookie. @throws AppError `csrf_failed`, `validation_failed` when there is none */
  readRefreshCookie(request: FastifyRequest): string {
    const token = request.cookies[REFRESH_COOKIE]
    if (token === undefined) throw invalidField('/refreshToken', 'Required, unless a session cookie is sent.')
    this.csrf.assertOwnPage(request)
    return token
  }
}
