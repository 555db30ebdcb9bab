import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import type { MembershipEntity } from '../accounts/membership.entity.js'
import type { TokenPair } from '../auth.schemas.js'
import { AccessTokens } from './access-tokens.js'
import { mintRefreshToken, parseRefreshToken } from './refresh-token.js'
import { SessionsRepository } from './sessions.repository.js'

const MS_PER_SECOND = 1000

type Tokens = Pick<TokenPair, 'accessToken' | 'refreshToken' | 'expiresIn'>
type SessionOwner = Pick<MembershipEntity, 'tenantId' | 'userId' | 'role'>

/** Opens sessions and keeps them going: one access token for minutes, one refresh token for the next pair. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly sessions: SessionsRepository,
    private readonly accessTokens: AccessTokens,
    private readonly clock: Clock,
  ) {}

  /** Opens a session in the caller's transaction. */
  async open(owner: SessionOwner, tx: Tx): Promise<Tokens> {
    const session = {
      tenantId: owner.tenantId,
      id: newId(),
      userId: owner.userId,
      createdAt: this.clock.now(),
      expiresAt: this.sessionEnd(),
      endsAt: new Date(this.clock.now().getTime() + this.config.settings.SESSION_TTL_SECONDS * MS_PER_SECOND),
      lastUsedAt: this.clock.now(),
      userAgent: null,
      address: null,
      revokedAt: null,
    }
    await this.sessions.create(session, tx)
    return this.issue(owner, session.id, tx)
  }

  /**
   * Spends a refresh token and issues the next pair. A token that comes a second time is in two hands: the session ends.
   * @throws AppError `unauthenticated`
   */
  async rotate(text: string): Promise<{ account: Account; tokens: Tokens }> {
    const token = parseRefreshToken(text)
    if (!token) throw refused()
    // Refusing is an outcome to commit, not an error: the replayed session must stay revoked.
    const outcome = await this.database.transaction({ tenantId: token.tenantId }, async (tx) => {
      const stored = await this.sessions.findRefreshToken(token.hash, tx)
      if (!stored) return null
      const now = this.clock.now()
      if (!(await this.sessions.spendRefreshToken(token.hash, now, tx))) {
        if (stored.usedAt !== null || stored.expiresAt > now) await this.sessions.revoke(stored.sessionId, now, tx)
        return null
      }
      const session = await this.sessions.findLive(stored.sessionId, now, tx)
      const account = session && (await this.accounts.findAccount(session.tenantId, session.userId, tx))
      if (!account) return null
      await this.sessions.extend(session.id, this.sessionEnd(), tx)
      return { account, tokens: await this.issue(account.membership, session.id, tx) }
    })
    if (!outcome) throw refused()
    return outcome
  }

  private async issue({ tenantId, userId, role }: SessionOwner, sessionId: string, tx: Tx): Promise<Tokens> {
    const refreshToken = mintRefreshToken(tenantId)
    const createdAt = this.clock.now()
    const expiresAt = this.sessionEnd()
    await this.sessions.addRefreshToken(
      { tenantId, tokenHash: refreshToken.hash, sessionId, createdAt, expiresAt, usedAt: null },
      tx,
    )
    const accessToken = await this.accessTokens.sign({ sub: userId, tid: tenantId, sid: sessionId, role })
    return { accessToken, refreshToken: refreshToken.text, expiresIn: this.accessTokens.lifetimeSeconds }
  }

  private sessionEnd(): Date {
    return new Date(this.clock.now().getTime() + this.config.settings.REFRESH_TOKEN_TTL_SECONDS * MS_PER_SECOND)
  }
}

function refused(): AppError {
  return new AppError('unauthenticated', 'unauthenticated', {
    detail: 'This refresh token is not valid any more: sign in again.',
  })
}
