import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { MembershipEntity } from '../accounts/membership.entity.js'
import { SessionsEnded } from '../auth.events.js'
import { AccessTokens } from './access-tokens.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { mintRefreshToken, nextRefreshToken, type RefreshToken } from './refresh-token.js'
import type { SessionEntity } from './session.entity.js'
import { SessionsRepository } from './sessions.repository.js'

const MS_PER_SECOND = 1000
/** Of one user, in all of his tenants: more are a client that signs in and never out, and each costs rows and a line in his list. */
const MAX_LIVE_SESSIONS = 100

type SessionOwner = Pick<MembershipEntity, 'tenantId' | 'userId'>

/** What whoever signs in goes away with. */
export interface IssuedTokens {
  readonly sessionId: string
  readonly accessToken: string
  readonly refreshToken: string
  /** Life of the access token in seconds. */
  readonly expiresIn: number
}

/** The tokens of a new session. */
export interface OpenedSession extends IssuedTokens {
  /** The user's oldest sessions, which ended to make room: advance their epochs after the commit. */
  readonly displaced: readonly string[]
}

/** Opens sessions and issues their tokens: one access token for minutes, one refresh token for the next pair. */
@Injectable()
export class SessionIssuer {
  /** Today's, and those of JWT_PREVIOUS_SECRETS. */
  private readonly chainKeys: readonly [Buffer, ...Buffer[]]

  constructor(
    private readonly config: AppConfig,
    private readonly sessions: SessionsRepository,
    private readonly accessTokens: AccessTokens,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {
    this.chainKeys = config.deriveKeys('refresh-chain')
  }

  /** Opens a session in the caller's transaction. Scope: `tenantId` and `userId`. */
  async open({ tenantId, userId }: SessionOwner, client: ClientInfo, tx: Tx): Promise<OpenedSession> {
    const now = this.clock.now()
    const endsAt = this.after(now, this.config.settings.SESSION_TTL_SECONDS)
    const session: SessionEntity = {
      tenantId,
      id: newId(),
      userId,
      createdAt: now,
      expiresAt: this.idleEnd(now, endsAt),
      endsAt,
      lastUsedAt: now,
      ...client,
      revokedAt: null,
    }
    await this.sessions.create(session, tx)
    const displaced = await this.sessions.endBeyond({ userId, keep: MAX_LIVE_SESSIONS, now }, tx)
    if (displaced.length > 0) await this.events.emit(new SessionsEnded(tenantId, userId, displaced), tx)
    return { ...(await this.issue(session, mintRefreshToken(tenantId), tx)), displaced }
  }

  /** The token that replaces this one, the same each time. */
  successorOf(token: RefreshToken): RefreshToken {
    return nextRefreshToken(token, this.chainKeys[0])
  }

  /** The tokens that may have replaced a spent one: today's first, then those of replicas with an earlier secret. */
  successorsOf(token: RefreshToken): RefreshToken[] {
    return this.chainKeys.map((key) => nextRefreshToken(token, key))
  }

  /** Issues the next pair of a session that goes on. */
  async renew(session: SessionEntity, next: RefreshToken, client: ClientInfo, tx: Tx): Promise<IssuedTokens> {
    const now = this.clock.now()
    const expiresAt = this.idleEnd(now, session.endsAt)
    await this.sessions.touch(session.id, { expiresAt, lastUsedAt: now, ...client }, tx)
    return this.issue(Object.assign(session, { expiresAt }), next, tx)
  }

  /** An access token for a refresh token that exists already. */
  async reissue({ tenantId, userId, id }: SessionEntity, refreshToken: RefreshToken): Promise<IssuedTokens> {
    const accessToken = await this.accessTokens.sign({ sub: userId, tid: tenantId, sid: id })
    const { lifetimeSeconds: expiresIn } = this.accessTokens
    return { sessionId: id, accessToken, refreshToken: refreshToken.text, expiresIn }
  }

  private async issue(session: SessionEntity, refreshToken: RefreshToken, tx: Tx): Promise<IssuedTokens> {
    await this.sessions.addRefreshToken(
      {
        tenantId: session.tenantId,
        tokenHash: refreshToken.hash,
        sessionId: session.id,
        createdAt: this.clock.now(),
        expiresAt: session.expiresAt,
        usedAt: null,
      },
      tx,
    )
    return this.reissue(session, refreshToken)
  }

  private idleEnd(now: Date, endsAt: Date): Date {
    const idle = this.after(now, this.config.settings.REFRESH_TOKEN_TTL_SECONDS)
    return idle < endsAt ? idle : endsAt
  }

  private after(now: Date, seconds: number): Date {
    return new Date(now.getTime() + seconds * MS_PER_SECOND)
  }
}
