import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { EmailVerified } from '../auth.events.js'
import type { OneTimeTokenEntity } from '../recovery/one-time-token.entity.js'
import { OneTimeTokens } from '../recovery/one-time-tokens.service.js'
import { RecoveryMails } from '../recovery/recovery-mails.service.js'
import { ProvedRegistrations } from './proved-registrations.service.js'

/** A sign-in sends the link again, but at most this often. */
const RESEND_INTERVAL_SECONDS = 300

/** Whether people read the addresses that they registered with. */
@Injectable()
export class EmailVerification {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly tokens: OneTimeTokens,
    private readonly mails: RecoveryMails,
    private readonly registrations: ProvedRegistrations,
    private readonly events: AccountEvents,
    private readonly clock: Clock,
  ) {}

  /**
   * For accounts from before EMAIL_VERIFICATION: since then there is none without a proof. Call it only after the password
   * was right: the answer tells that the account exists.
   * @throws AppError `email_unverified`
   */
  async demand(email: string, verifiedAt: Date | null): Promise<void> {
    if (!this.config.settings.EMAIL_VERIFICATION || verifiedAt !== null) return
    await this.database.transaction({}, (tx) =>
      this.mails.requestThrottled({ template: 'email_verification', email }, RESEND_INTERVAL_SECONDS, tx),
    )
    throw new AppError('email_unverified', 'forbidden', {
      detail: 'Confirm your e-mail address first: a link was sent to it.',
    })
  }

  /**
   * Makes the account of a registration, or proves the address of an account that there is.
   * @throws AppError `validation_failed` at `/token`, in the same words for a wrong, a used and an expired one
   */
  async verify(text: string): Promise<void> {
    const token = await this.tokens.find('email_verification', text)
    if (token) return this.proveKnown(token)
    if (!(await this.registrations.create(text))) throw refusedToken()
  }

  private async proveKnown(token: OneTimeTokenEntity): Promise<void> {
    const { userId } = token
    await this.database.transaction({ userId }, async (tx) => {
      if (!(await this.tokens.spend(token, tx))) throw refusedToken()
      await this.accounts.markVerified(userId, this.clock.now(), tx)
      await this.events.emitInEachTenant(userId, (tenantId) => new EmailVerified(tenantId, userId), tx)
    })
  }
}

function refusedToken(): AppError {
  return invalidField('/token', 'is wrong, used or expired: ask for a new link')
}
