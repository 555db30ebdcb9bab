import { Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { requestContext } from '#platform/http/request-context.js'
import { CsrfProtection } from './csrf-protection.service.js'
import { parseRefreshToken } from './refresh-token.js'
import { REFRESH_COOKIE } from './session-cookies.js'
import type { SessionEntity } from './session.entity.js'
import { SessionsRepository } from './sessions.repository.js'
import { Sessions } from './sessions.service.js'

/** Ends the session of whoever signs out, by what he still has: the access token lasts for minutes, the session for weeks. */
@Injectable()
export class SignOut {
  constructor(
    private readonly database: Database,
    private readonly rows: SessionsRepository,
    private readonly sessions: Sessions,
    private readonly csrf: CsrfProtection,
    private readonly clock: Clock,
  ) {}

  /**
   * By the refresh token that is named if it is good, else by the access token, else by the refresh cookie.
   * @returns false when there is no session to end
   * @throws AppError `csrf_failed` for a cookie that our own page did not send, `forbidden` for an API key
   */
  async end(
    request: FastifyRequest,
    { principal, refreshToken }: { principal: Principal | undefined; refreshToken: string | undefined },
  ): Promise<boolean> {
    if (refreshToken !== undefined && (await this.endSession(await this.find(refreshToken)))) return true
    if (principal) {
      if (principal.sessionId === null)
        throw new AppError('forbidden', 'forbidden', { detail: 'An API key cannot do this: sign in.' })
      await this.sessions.end(principal, principal.sessionId)
      return true
    }
    const cookie = request.cookies[REFRESH_COOKIE]
    this.csrf.assertSameOrigin(request)
    if (cookie === undefined) return false
    const session = await this.find(cookie)
    if (session) this.csrf.assertIntended(request, { sessionId: session.id })
    return this.endSession(session)
  }

  /** A spent token will do, too: it is a session's, and who has one that he should not have can do no more than end it. */
  private async find(text: string): Promise<SessionEntity | null> {
    const token = parseRefreshToken(text)
    if (!token) return null
    return this.database.transaction({ tenantId: token.tenantId }, async (tx) => {
      const stored = await this.rows.findRefreshToken(token.hash, tx)
      return stored && this.rows.findLive(stored.sessionId, this.clock.now(), tx)
    })
  }

  private async endSession(session: SessionEntity | null): Promise<boolean> {
    if (!session) return false
    const { tenantId, userId, id } = session
    // Who holds the session's token is its user, to the audit log as well.
    Object.assign(requestContext.getStore() ?? {}, { tenantId, userId })
    await this.sessions.end({ userId }, id)
    return true
  }
}

/** Told after the cookies were cleared: what is left of a session that is over is worth nothing. */
export function nothingToEnd(): AppError {
  return new AppError('unauthenticated', 'unauthenticated', { detail: 'There is no session to end.' })
}
