import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { ReplayedSessions } from './replayed-sessions.service.js'
import { parseRefreshToken, type RefreshToken } from './refresh-token.js'
import { type IssuedTokens, SessionIssuer } from './session-issuer.service.js'
import { SessionsRepository } from './sessions.repository.js'

/**
 * How long a spent token still gives the token that replaced it: a client that sent two requests at once, or never saw
 * the answer, is not a thief (RFC 9700 §4.14.2 leaves the trade-off to the server).
 */
const GRACE_MS = 10_000

interface Refreshed {
  readonly account: Account
  readonly tokens: IssuedTokens
}
type Outcome = Refreshed | { readonly endedSessionId: string } | null

/** Trades refresh tokens for the next pair. */
@Injectable()
export class Refresh {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly sessions: SessionsRepository,
    private readonly issuer: SessionIssuer,
    private readonly replays: ReplayedSessions,
    private readonly clock: Clock,
  ) {}

  /**
   * Spends a refresh token and issues the next pair. A token that comes again, but for the grace of its immediate parent,
   * is in two hands: the session ends, and its access tokens with it.
   * @throws AppError `unauthenticated`
   */
  async refresh(text: string, client: ClientInfo): Promise<Refreshed> {
    const token = parseRefreshToken(text)
    if (!token) throw refused()
    // Refusing is an outcome to commit, not an error: the replayed session must stay revoked.
    const outcome = await this.database.transaction({ tenantId: token.tenantId }, (tx) => this.trade(token, client, tx))
    if (outcome && 'tokens' in outcome) return outcome
    if (outcome) await this.replays.forget(outcome.endedSessionId)
    throw refused()
  }

  private async trade(token: RefreshToken, client: ClientInfo, tx: Tx): Promise<Outcome> {
    const now = this.clock.now()
    const isSpentNow = await this.sessions.spendRefreshToken(token.hash, now, tx)
    const stored = await this.sessions.findRefreshToken(token.hash, tx)
    if (!stored || (!isSpentNow && stored.usedAt === null)) return null
    const session = await this.sessions.findLive(stored.sessionId, now, tx)
    const account = session && (await this.accounts.findAccount(session.tenantId, session.userId, tx))
    if (!account) return null
    if (isSpentNow) {
      return { account, tokens: await this.issuer.renew(session, this.issuer.successorOf(token), client, tx) }
    }
    const next = isInGrace(stored.usedAt, now) ? await this.findUnusedSuccessor(token, tx) : null
    if (next) return { account, tokens: await this.issuer.reissue(session, next) }
    await this.replays.end(session, tx)
    return { endedSessionId: session.id }
  }

  /** Only while the token that replaced it has not been used: a grandparent has no grace. */
  private async findUnusedSuccessor(token: RefreshToken, tx: Tx): Promise<RefreshToken | null> {
    for (const next of this.issuer.successorsOf(token)) {
      const child = await this.sessions.findRefreshToken(next.hash, tx)
      if (child) return child.usedAt === null ? next : null
    }
    return null
  }
}

function isInGrace(usedAt: Date | null, now: Date): boolean {
  return usedAt !== null && now.getTime() - usedAt.getTime() <= GRACE_MS
}

function refused(): AppError {
  return new AppError('unauthenticated', 'unauthenticated', {
    detail: 'This refresh token is not valid any more: sign in again.',
  })
}
