import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { type Account, AccountsRepository, type SignInFacts } from '../accounts/accounts.repository.js'
import type { MembershipEntity } from '../accounts/membership.entity.js'
import { UserLoggedIn } from '../auth.events.js'
import type { LoginCommand } from '../auth.schemas.js'
import { EmailVerification } from '../registration/email-verification.service.js'
import { PasswordRehash } from '../passwords/password-rehash.service.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { emailHashOf, LoginLockout } from './login-lockout.service.js'
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
    private readonly lockout: LoginLockout,
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
    const { email, password, tenantId } = command
    const presentedHash = emailHashOf(email)
    const facts = await this.database.transaction({ signInEmail: email, presentedHash }, async (tx) => {
      const found = await this.accounts.findSignIn(email, presentedHash, tx)
      await this.lockout.admit(email, found, tx)
      return found
    })
    const matches = await this.passwords.verify(facts.passwordHash, password)
    if (!matches || facts.userId === null) {
      await this.lockout.fail(email)
      throw wrongCredentials()
    }
    const { userId } = facts
    await this.verification.demand(email, facts.emailVerifiedAt)
    const membership = await this.database.transaction({ userId }, (tx) =>
      this.accounts.findMembership(userId, tenantId, tx),
    )
    if (!membership) throw tenantId === undefined ? suspended() : wrongCredentials()
    const scope = { tenantId: membership.tenantId, userId, presentedHash }
    const signedIn = await this.database.transaction(scope, (tx) => this.open(membership, { email, facts, client }, tx))
    await this.epochs.advance(signedIn.tokens.displaced.map(sessionEpoch))
    await this.passwords.raise({ userId, password, passwordHash: facts.passwordHash ?? '' })
    return signedIn
  }

  private async open(
    membership: MembershipEntity,
    { email, facts, client }: { email: string; facts: SignInFacts; client: ClientInfo },
    tx: Tx,
  ): Promise<NewlySignedIn> {
    const { tenantId, userId } = membership
    const account = await this.accounts.findAccount(tenantId, userId, tx)
    if (!account) throw wrongCredentials()
    if (facts.failures > 0) await this.lockout.clear(email, tx)
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
