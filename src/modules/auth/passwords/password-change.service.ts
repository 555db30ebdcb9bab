import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { Mailer } from '#platform/mail/mailer.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordChanged } from '../auth.events.js'
import type { ChangePasswordCommand } from '../auth.schemas.js'
import { PasswordAttempts } from '../sessions/password-attempts.service.js'
import { PasswordSetter } from './password-setter.service.js'

/** Changes one's own password. */
@Injectable()
export class PasswordChange {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly attempts: PasswordAttempts,
    private readonly setter: PasswordSetter,
    private readonly mailer: Mailer,
    private readonly events: AccountEvents,
    private readonly epochs: Epochs,
  ) {}

  /**
   * Ends every other session of the user, in all of his tenants. Whoever has a session and guesses at the password is
   * counted as one who signs in.
   * @throws AppError `validation_failed` for a wrong current password or an unacceptable new one; `rate_limited`
   */
  async change(principal: Principal, { currentPassword, newPassword }: ChangePasswordCommand): Promise<void> {
    const { tenantId, userId, sessionId } = principal
    const account = await this.database.transaction({ tenantId, userId }, (tx) =>
      this.accounts.findAccount(tenantId, userId, tx),
    )
    if (!account) throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This account is gone.' })
    const { user, tenant } = account
    const attempt = { email: user.email, password: currentPassword, doing: 'password_change' } as const
    const checked = await this.attempts.check(attempt)
    if (!checked) throw wrongPassword()
    const words = [user.email, user.name ?? undefined, tenant.name]
    const passwordHash = await this.setter.prepare(newPassword, words, '/newPassword')
    const password = { userId, passwordHash, expected: checked.passwordHash, exceptSessionId: sessionId }
    const ended = await this.database.transaction({ userId }, async (tx) => {
      const endedIds = await this.setter.store(password, tx)
      if (endedIds === null) return null
      await this.mailer.enqueue({ to: user.email, template: 'password_changed' }, tx)
      await this.events.emitInEachTenant(userId, (id) => new PasswordChanged(id, userId), tx)
      return endedIds
    })
    if (ended === null) throw wrongPassword()
    await this.epochs.advance(ended.map(sessionEpoch))
  }
}

function wrongPassword(): AppError {
  return invalidField('/currentPassword', 'is not the current password')
}
