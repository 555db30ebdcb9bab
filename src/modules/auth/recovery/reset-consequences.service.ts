import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { Mailer } from '#platform/mail/mailer.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import type { UserEntity } from '../accounts/user.entity.js'
import { PasswordWasReset } from '../auth.events.js'
import { LoginLockout } from '../sessions/login-lockout.service.js'

/** What else a reset does, in its own transaction: its user gets in again, and everybody concerned hears of it. */
@Injectable()
export class ResetConsequences {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly lockout: LoginLockout,
    private readonly mailer: Mailer,
    private readonly events: AccountEvents,
    private readonly clock: Clock,
  ) {}

  /**
   * Last in its transaction. Scope: `userId`, and `presentedHash` of the address.
   * @param isMailboxProved whether the link came by mail, so that he who used it reads the address
   */
  async follow(user: UserEntity, { isMailboxProved }: { isMailboxProved: boolean }, tx: Tx): Promise<void> {
    await this.lockout.clear(user.email, tx)
    if (isMailboxProved) await this.accounts.markVerified(user.id, this.clock.now(), tx)
    await this.mailer.enqueue({ to: user.email, template: 'password_changed' }, tx)
    await this.events.emitInEachTenant(user.id, (tenantId) => new PasswordWasReset(tenantId, user.id), tx)
  }
}
