import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import type { MembershipEntity } from '../accounts/membership.entity.js'
import { UserLoggedIn } from '../auth.events.js'
import type { LoginCommand } from '../auth.schemas.js'
import { EmailVerification } from '../registration/email-verification.service.js'
import { PasswordRehash } from '../passwords/password-rehash.service.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import type { FailureReason } from './failed-login.js'
import { FailedLogins } from './failed-logins.service.js'
import { type CheckedAccount, PasswordAttempts } from './password-attempts.service.js'
import { type IssuedTokens, type OpenedSession, SessionIssuer } from './session-issuer.service.js'

/** Somebody who has just signed in. */
export interface SignedIn {
  readonly account: Account
  readonly tokens: IssuedTokens
}

/** The same, with what it ended. */
export interface NewlySignedIn extends SignedIn {
  readonly tokens: OpenedSession
}

/** Signs people in by address and password. */
@Injectable()
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly passwords: PasswordRehash,
    private readonly attempts: PasswordAttempts,
    private readonly failures: FailedLogins,
    private readonly verification: EmailVerification,
    private readonly issuer: SessionIssuer,
    private readonly events: EventBus,
    private readonly epochs: Epochs,
  ) {}

  /**
   * @throws AppError `unauthenticated`, in the same words and the same time for an unknown address and a wrong password;
   * `rate_limited` while the account waits; `unavailable` when too many sign in at once; `forbidden` for a member who is
   * suspended; `email_unverified` for one who has yet to prove his address
   */
  async login(command: LoginCommand, client: ClientInfo): Promise<SignedIn> {
    const { email, password } = command
    const checked = await this.attempts.check({ email, password })
    if (!checked) throw wrongCredentials()
    const membership = await this.admit(checked, command)
    const scope = { tenantId: membership.tenantId, userId: checked.userId }
    const signedIn = await this.database.transaction(scope, (tx) => this.open(membership, client, tx))
    await this.epochs.advance(signedIn.tokens.displaced.map(sessionEpoch))
    this.passwords.raiseLater({ ...checked, password })
    return signedIn
  }

  /** What else it takes, once the password was right; a refusal is for the audit log. */
  private async admit({ userId, emailVerifiedAt }: CheckedAccount, command: LoginCommand): Promise<MembershipEntity> {
    const { email, tenantId } = command
    try {
      await this.verification.demand(email, emailVerifiedAt)
    } catch (error) {
      if (error instanceof AppError && error.code === 'email_unverified') await this.report(email, 'email_unverified')
      throw error
    }
    const membership = await this.database.transaction({ userId }, (tx) =>
      this.accounts.findMembership(userId, tenantId, tx),
    )
    if (membership) return membership
    await this.report(email, tenantId === undefined ? 'suspended' : 'not_a_member')
    throw tenantId === undefined ? suspended() : wrongCredentials()
  }

  private report(email: string, reason: FailureReason): Promise<void> {
    return this.database.transaction({}, (tx) => this.failures.add({ email, isLocked: false, reason }, tx))
  }

  private async open(membership: MembershipEntity, client: ClientInfo, tx: Tx): Promise<NewlySignedIn> {
    const { tenantId, userId } = membership
    const account = await this.accounts.findAccount(tenantId, userId, tx)
    if (!account) throw wrongCredentials()
    const tokens = await this.issuer.open(membership, client, tx)
    await this.events.emit(new UserLoggedIn(tenantId, userId, tokens.sessionId), tx)
    return { account, tokens }
  }
}

function wrongCredentials(): AppError {
  return new AppError('unauthenticated', 'unauthenticated', { detail: 'The e-mail address or the password is wrong.' })
}

function suspended(): AppError {
  return new AppError('forbidden', 'forbidden', {
    detail: 'This account is suspended, or belongs to no team any more.',
  })
}
