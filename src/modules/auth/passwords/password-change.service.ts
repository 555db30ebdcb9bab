import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { Mailer } from '#platform/mail/mailer.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import type { ChangePasswordCommand } from '../auth.schemas.js'
import { PasswordHasher } from './password-hasher.js'
import { PasswordSetter } from './password-setter.service.js'

/** Changes one's own password. */
@Injectable()
export class PasswordChange {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly hasher: PasswordHasher,
    private readonly setter: PasswordSetter,
    private readonly mailer: Mailer,
    private readonly epochs: Epochs,
  ) {}

  /**
   * Ends every other session of the user, in all of his tenants.
   * @throws AppError `validation_failed` for a wrong current password or an unacceptable new one
   */
  async change(principal: Principal, { currentPassword, newPassword }: ChangePasswordCommand): Promise<void> {
    const { tenantId, userId, sessionId } = principal
    const scope = { tenantId, userId }
    const { account, expected } = await this.database.transaction(scope, async (tx) => ({
      account: await this.accounts.findAccount(tenantId, userId, tx),
      expected: await this.accounts.getPasswordHash(userId, tx),
    }))
    if (!account) throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This account is gone.' })
    if (!(await this.hasher.verify(expected, currentPassword))) throw wrongPassword()
    const { user, tenant } = account
    const words = [user.email, user.name ?? undefined, tenant.name]
    const passwordHash = await this.setter.prepare(newPassword, words, '/newPassword')
    const password = { tenantIds: [tenantId], userId, passwordHash, expected, exceptSessionId: sessionId }
    const ended = await this.database.transaction(scope, async (tx) => {
      const endedIds = await this.setter.store(password, tx)
      if (endedIds !== null) await this.mailer.enqueue({ to: user.email, template: 'password_changed' }, tx)
      return endedIds
    })
    if (ended === null) throw wrongPassword()
    await this.epochs.advance(ended.map(sessionEpoch))
  }
}

function wrongPassword(): AppError {
  return invalidField('/currentPassword', 'is not the current password')
}
