import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { OneTimeTokensRepository } from '../recovery/one-time-tokens.repository.js'
import { SessionsRepository } from '../sessions/sessions.repository.js'
import { PasswordHasher } from './password-hasher.js'
import { PasswordPolicy } from './password-policy.service.js'

export interface NewPassword {
  readonly userId: string
  readonly passwordHash: string
  /** The hash that the old password was checked against; absent for a reset. */
  readonly expected?: string
  /** The session that goes on. */
  readonly exceptSessionId?: string | null
}

/** Gives a user a new password: the one place where that is done. */
@Injectable()
export class PasswordSetter {
  constructor(
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly accounts: AccountsRepository,
    private readonly sessions: SessionsRepository,
    private readonly tokens: OneTimeTokensRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Checks and hashes a password; outside of any transaction, for it takes its time.
   * @throws AppError `validation_failed` at `pointer`, `unavailable` when too many wait
   */
  async prepare(password: string, words: readonly (string | undefined)[], pointer?: string): Promise<string> {
    await this.policy.assertAcceptable(password, words, pointer)
    return this.hasher.hash(password)
  }

  /**
   * Stores it, ends the user's other sessions, in all of his tenants, and makes his open reset links worthless; who calls
   * tells their audit logs. Scope: `userId`.
   * @returns the ids of the sessions that ended, whose epochs to advance after the commit; null when the old password is
   * not `expected` any more
   */
  async store(
    { userId, passwordHash, expected, exceptSessionId = null }: NewPassword,
    tx: Tx,
  ): Promise<string[] | null> {
    const now = this.clock.now()
    const replaced = await this.accounts.replacePassword(
      { userId, passwordHash, now, ...(expected !== undefined && { expected }) },
      tx,
    )
    if (!replaced) return null
    // A link from before would undo the change for whoever can read it.
    await this.tokens.retire({ userId, kind: 'password_reset', now }, tx)
    const ended = await this.sessions.endAll({ userId, exceptSessionId, now }, tx)
    return ended.map(({ id }) => id)
  }
}
