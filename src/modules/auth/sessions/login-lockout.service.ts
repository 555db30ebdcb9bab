import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { lockoutSeconds } from './login-attempts.js'
import { LoginAttemptsRepository } from './login-attempts.repository.js'
import type { FailureReason } from './failed-login.js'
import { FailedLogins } from './failed-logins.service.js'

const MS_PER_SECOND = 1000

/** What is known of the failed sign-ins of an address. */
export interface AttemptState {
  readonly failures: number
  readonly lockedUntil: Date | null
}

/** The one attempt of an account whose wait is over. */
export interface ClaimedAttempt {
  readonly claimed: Date
  readonly before: Date
}

/**
 * Slows down who guesses one account's password from many addresses. Known and unknown addresses are treated alike, and a
 * password reset ends the wait: its owner cannot be kept out.
 */
@Injectable()
export class LoginLockout {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly attempts: LoginAttemptsRepository,
    private readonly failures: FailedLogins,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets an attempt through, or not. Below the limit attempts are counted when they have failed; from there on each is
   * claimed before its password is looked at, so that a thousand at once are still one.
   * @returns what was claimed, to be given back if the password is not looked at after all; null below the limit
   * @throws AppError `rate_limited`
   */
  async admit(email: string, { failures, lockedUntil }: AttemptState, tx: Tx): Promise<ClaimedAttempt | null> {
    const { LOGIN_LOCKOUT_AFTER_FAILURES: limit } = this.config.settings
    if (failures < limit || lockedUntil === null) return null
    const now = this.clock.now()
    const until = new Date(now.getTime() + lockoutSeconds(failures, limit) * MS_PER_SECOND)
    if (await this.attempts.claim({ emailHash: emailHashOf(email), now, until }, tx)) {
      return { claimed: until, before: lockedUntil }
    }
    const waitMs = Math.max(lockedUntil.getTime(), now.getTime() + MS_PER_SECOND) - now.getTime()
    throw new AppError('rate_limited', 'rate_limited', {
      detail: 'Too many failed sign-ins: wait, or reset the password.',
      retryAfterSeconds: Math.ceil(waitMs / MS_PER_SECOND),
    })
  }

  /** Gives an attempt back. */
  async release(email: string, attempt: ClaimedAttempt): Promise<void> {
    const emailHash = emailHashOf(email)
    await this.database.transaction({ presentedHash: emailHash }, (tx) =>
      this.attempts.release({ emailHash, ...attempt }, tx),
    )
  }

  /**
   * Counts a failure, and has it written into the audit logs of the account's tenants, if there is one, later.
   * @returns failures in a row
   */
  fail(email: string, reason?: FailureReason): Promise<number> {
    const { LOGIN_LOCKOUT_AFTER_FAILURES: limit } = this.config.settings
    const emailHash = emailHashOf(email)
    return this.database.transaction({ presentedHash: emailHash }, async (tx) => {
      const now = this.clock.now()
      const failures = await this.attempts.fail(emailHash, now, tx)
      const seconds = lockoutSeconds(failures, limit)
      if (seconds > 0) await this.attempts.lock(emailHash, new Date(now.getTime() + seconds * MS_PER_SECOND), tx)
      await this.failures.add({ email, isLocked: seconds > 0, ...(reason && { reason }) }, tx)
      return failures
    })
  }

  /** Ends the count. Scope: `presentedHash` of the address. */
  async clear(email: string, tx: Tx): Promise<void> {
    await this.attempts.clear(emailHashOf(email), tx)
  }
}

/** What stands for an address where failures are counted. */
export function emailHashOf(email: string): Buffer {
  return createHash('sha256').update(email).digest()
}
