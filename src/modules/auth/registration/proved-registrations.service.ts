import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { UserRegistered } from '../auth.events.js'
import { parseOneTimeToken } from '../recovery/one-time-token.js'
import { newOwner } from './new-owner.js'
import { placeOf, type PendingRegistration } from './pending-registration.js'
import type { PendingRegistrationEntity } from './pending-registration.entity.js'
import { PendingRegistrationsRepository } from './pending-registrations.repository.js'

/** Makes accounts of registrations whose link was opened. */
@Injectable()
export class ProvedRegistrations {
  constructor(
    private readonly database: Database,
    private readonly pending: PendingRegistrationsRepository,
    private readonly accounts: AccountsRepository,
    private readonly sealer: Sealer,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /** The address's other registrations are over with it. @returns false for every link that does not work */
  async create(text: string): Promise<boolean> {
    const token = parseOneTimeToken('email_verification', text)
    const found =
      token &&
      (await this.database.transaction({ presentedHash: token.hash }, (tx) =>
        this.pending.findPresented(token.hash, this.clock.now(), tx),
      ))
    if (!found) return false
    try {
      return await this.createFrom(found)
    } catch (error) {
      // Somebody was invited to the same address since.
      if (error instanceof AppError && error.code === 'email_taken') return false
      throw error
    }
  }

  private createFrom(found: PendingRegistrationEntity): Promise<boolean> {
    const { userId, emailHash, sealed } = found
    const registration = JSON.parse(this.sealer.open(sealed, placeOf(userId)).toString('utf8')) as PendingRegistration
    const now = this.clock.now()
    const account = newOwner(registration, now, now)
    const tenantId = account.tenant.id
    const scope = { tenantId, userId, presentedHash: emailHash }
    return this.database.transaction(scope, async (tx: Tx) => {
      await this.pending.lockAddress(emailHash, tx)
      if (!(await this.pending.delete(found, tx))) return false
      await this.pending.deleteAll(emailHash, tx)
      await this.accounts.createOwner(account, registration.passwordHash, tx)
      await this.events.emit(new UserRegistered(tenantId, userId), tx)
      return true
    })
  }
}
