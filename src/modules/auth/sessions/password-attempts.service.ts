import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { AccountsRepository, type SignInFacts } from '../accounts/accounts.repository.js'
import { PasswordHasher } from '../passwords/password-hasher.js'
import { type Attempts, AttemptsInFlight } from './attempts-in-flight.service.js'
import type { FailureReason } from './failed-login.js'
import { type ClaimedAttempt, emailHashOf, LoginLockout } from './login-lockout.service.js'

export interface PasswordAttempt {
  readonly email: string
  readonly password: string
  /** What it is for, if not a sign-in: the audit log says so. */
  readonly doing?: Extract<FailureReason, 'password_change'>
}

/** The account whose password was right. */
export interface CheckedAccount {
  readonly userId: string
  readonly passwordHash: string
  readonly emailVerifiedAt: Date | null
}

/** The one way in which a password is checked: admitted, compared, counted. */
@Injectable()
export class PasswordAttempts {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly hasher: PasswordHasher,
    private readonly lockout: LoginLockout,
    private readonly inFlight: AttemptsInFlight,
  ) {}

  /**
   * A right password ends the count of failures, whatever else is refused afterwards; a wrong one is counted. Null for that
   * and for an address that nobody has, after the same statements and the same hashing.
   * @throws AppError `rate_limited` while the account waits, `unavailable` when too many hash at once: neither counts
   */
  check(attempt: PasswordAttempt): Promise<CheckedAccount | null> {
    return this.inFlight.run(attempt.email, (attempts) => this.decide(attempt, attempts))
  }

  private async decide(attempt: PasswordAttempt, attempts: Attempts): Promise<CheckedAccount | null> {
    const { email, doing } = attempt
    const presentedHash = emailHashOf(email)
    const { facts, claim } = await this.database.transaction({ signInEmail: email, presentedHash }, async (tx) => {
      const found = await this.accounts.findSignIn(email, presentedHash, tx)
      return { facts: found, claim: await this.lockout.admit(email, found, tx) }
    })
    attempts.note(facts.failures)
    const { userId, passwordHash, emailVerifiedAt } = facts
    const matches = await this.compare(attempt, facts, claim)
    if (!matches || userId === null || passwordHash === null) {
      attempts.note(await this.lockout.fail(email, doing))
      return null
    }
    if (facts.failures > 0) await this.database.transaction({ presentedHash }, (tx) => this.lockout.clear(email, tx))
    attempts.forgive()
    return { userId, passwordHash, emailVerifiedAt }
  }

  private async compare(
    { email, password }: PasswordAttempt,
    { passwordHash }: SignInFacts,
    claim: ClaimedAttempt | null,
  ): Promise<boolean> {
    try {
      return await this.hasher.verify(passwordHash, password)
    } catch (error) {
      // The password was not looked at: the next to come, who may be its owner, shall not wait for that.
      if (claim) await this.lockout.release(email, claim)
      throw error
    }
  }
}
