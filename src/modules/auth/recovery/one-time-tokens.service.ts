import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { OneTimeTokenEntity, OneTimeTokenKind } from './one-time-token.entity.js'
import { mintOneTimeToken, type OneTimeToken, parseOneTimeToken } from './one-time-token.js'
import { OneTimeTokensRepository } from './one-time-tokens.repository.js'

const MS_PER_SECOND = 1000
export const VERIFICATION_TTL_SECONDS = 86_400
/**
 * Mails that anybody may have sent to an address, in an hour: more would be a way to bother people. Tokens that have
 * expired are not counted, so that the last one that was sent always works while no other is.
 */
export const MAX_MAILED_PER_WINDOW = 3
export const MAIL_WINDOW_SECONDS = 3600
/** A reset that came by mail proves the address, too; to prove the address is no reason to forget that a reset was asked for. */
const SPENT_WITH: Record<OneTimeTokenKind, readonly OneTimeTokenKind[]> = {
  password_reset: ['password_reset', 'email_verification'],
  email_verification: ['email_verification'],
}

export interface IssuedToken extends OneTimeToken {
  readonly userId: string
  readonly expiresAt: Date
}

/** Links that work once: made, found again, spent. */
@Injectable()
export class OneTimeTokens {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly tokens: OneTimeTokensRepository,
    private readonly clock: Clock,
  ) {}

  /** A token for a mail; a reset token replaces the one before. Null when the user got enough of them. Scope: `userId`. */
  async issueForMail(kind: OneTimeTokenKind, userId: string, tx: Tx): Promise<IssuedToken | null> {
    await this.tokens.lockUser(userId, tx)
    const now = this.clock.now()
    const since = new Date(now.getTime() - MAIL_WINDOW_SECONDS * MS_PER_SECOND)
    const sent = await this.tokens.countSince({ userId, kind, since, now }, tx)
    return sent < MAX_MAILED_PER_WINDOW ? this.issue({ kind, userId, issuedIn: null, issuedBy: null }, tx) : null
  }

  /** A reset token for the hands of `issuedBy`, an admin of `issuedIn`; it replaces the one before. Scope: `userId`. */
  async issueForAdmin(
    { userId, issuedIn, issuedBy }: { userId: string; issuedIn: string; issuedBy: string },
    tx: Tx,
  ): Promise<IssuedToken> {
    await this.tokens.lockUser(userId, tx)
    return this.issue({ kind: 'password_reset', userId, issuedIn, issuedBy }, tx)
  }

  /**
   * A reset token for the hands of the server's operator; it replaces the one before. It works as a mailed one does: he vouches
   * for whom he gives it to. Scope: `userId`.
   */
  async issueForOperator(userId: string, tx: Tx): Promise<IssuedToken> {
    await this.tokens.lockUser(userId, tx)
    return this.issue({ kind: 'password_reset', userId, issuedIn: null, issuedBy: null }, tx)
  }

  /** Takes back a token that could not be sent. */
  async withdraw({ hash, userId }: IssuedToken): Promise<void> {
    await this.database.workers.transaction({ userId }, (tx) => this.tokens.delete({ tokenHash: hash, userId }, tx))
  }

  /** The token behind a text, while it works; null for every way in which it does not. */
  async find(kind: OneTimeTokenKind, text: string): Promise<OneTimeTokenEntity | null> {
    const token = parseOneTimeToken(kind, text)
    if (!token) return null
    return this.database.transaction({ presentedHash: token.hash }, (tx) =>
      this.tokens.find(token.hash, kind, this.clock.now(), tx),
    )
  }

  /** Spends it, and deletes the user's others that it makes needless. False when somebody else has just spent it. Scope: `userId`. */
  async spend(token: OneTimeTokenEntity, tx: Tx): Promise<boolean> {
    await this.tokens.lockUser(token.userId, tx)
    if (!(await this.tokens.spend(token, this.clock.now(), tx))) return false
    await this.tokens.deleteOthers(token, SPENT_WITH[token.kind], tx)
    return true
  }

  private async issue(
    { kind, userId, issuedIn, issuedBy }: Pick<OneTimeTokenEntity, 'kind' | 'userId' | 'issuedIn' | 'issuedBy'>,
    tx: Tx,
  ): Promise<IssuedToken> {
    const now = this.clock.now()
    const { PASSWORD_RESET_TTL_SECONDS } = this.config.settings
    const lifeSeconds = kind === 'password_reset' ? PASSWORD_RESET_TTL_SECONDS : VERIFICATION_TTL_SECONDS
    const expiresAt = new Date(now.getTime() + lifeSeconds * MS_PER_SECOND)
    const { text, hash } = mintOneTimeToken(kind)
    // Of reset links one is enough to lie about. An older proof of the address is as good as the newer one, and whoever
    // signs in before he opens it has a second one sent.
    if (kind === 'password_reset') await this.tokens.retire({ userId, kind, now }, tx)
    const token = { tokenHash: hash, userId, kind, createdAt: now, expiresAt, usedAt: null, issuedIn, issuedBy }
    await this.tokens.create(token, tx)
    return { text, hash, userId, expiresAt }
  }
}
