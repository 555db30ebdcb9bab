import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Mailer } from '#platform/mail/mailer.js'
import { apiKeyEpoch } from '../access/epoch-names.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import type { UserEntity } from '../accounts/user.entity.js'
import { ApiKeyDeleted } from '../api-keys/api-key.events.js'
import { ApiKeysRepository } from '../api-keys/api-keys.repository.js'
import { PasswordWasReset } from '../auth.events.js'
import { LoginLockout } from '../sessions/login-lockout.service.js'

/** What else a reset does, in its own transaction: its user gets in again, his keys end, and everybody concerned hears of it. */
@Injectable()
export class ResetConsequences {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly keys: ApiKeysRepository,
    private readonly lockout: LoginLockout,
    private readonly mailer: Mailer,
    private readonly accountEvents: AccountEvents,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /**
   * Last in its transaction. Who resets has lost his password, perhaps to somebody who made himself keys since: they end,
   * whoever made them. Scope: `userId`, and `presentedHash` of the address.
   * @param isMailboxProved whether the link came by mail, so that he who used it reads the address
   * @returns the epochs to advance after the commit
   */
  async follow(user: UserEntity, { isMailboxProved }: { isMailboxProved: boolean }, tx: Tx): Promise<string[]> {
    const { id: userId, email } = user
    await this.lockout.clear(email, tx)
    if (isMailboxProved) await this.accounts.markVerified(userId, this.clock.now(), tx)
    await this.mailer.enqueue({ to: email, template: 'password_was_reset' }, tx)
    const epochs: string[] = []
    const endIn = async (tenantId: string): Promise<void> => {
      await this.events.emit(new PasswordWasReset(tenantId, userId), tx)
      for (const key of await this.keys.deleteOf({ tenantId, userId }, tx)) {
        await this.events.emit(new ApiKeyDeleted(key), tx)
        epochs.push(apiKeyEpoch(key.id))
      }
    }
    await this.accountEvents.inEachTenant(userId, endIn, tx)
    return epochs
  }
}
