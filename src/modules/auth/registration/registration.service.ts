import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { UserRegistered } from '../auth.events.js'
import type { RegisterCommand } from '../auth.schemas.js'
import { PasswordSetter } from '../passwords/password-setter.service.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { SessionIssuer } from '../sessions/session-issuer.service.js'
import type { SignedIn } from '../sessions/sign-in.service.js'
import { newOwner } from './new-owner.js'
import { PendingRegistrations } from './pending-registrations.service.js'

/** Takes in strangers: each gets a tenant of his own. */
@Injectable()
export class Registration {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly passwords: PasswordSetter,
    private readonly pending: PendingRegistrations,
    private readonly issuer: SessionIssuer,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /**
   * Creates a user and a tenant that he owns, and signs him in. Null where addresses must be proved first: then he gets a
   * mail, and whether anyone has the address already shows in nothing.
   * @throws AppError `email_taken`, `forbidden` when registration is not open
   */
  async register(command: RegisterCommand, client: ClientInfo): Promise<SignedIn | null> {
    if (this.config.settings.REGISTRATION !== 'open') {
      throw new AppError('forbidden', 'forbidden', {
        detail: 'Registration is closed on this server: ask for an invitation.',
      })
    }
    const { email, name, tenantName, password } = command
    const passwordHash = await this.passwords.prepare(password, [email, name, tenantName])
    if (this.config.settings.EMAIL_VERIFICATION) {
      await this.pending.add({ userId: newId(), email, name, tenantName, passwordHash })
      return null
    }
    const account = newOwner({ userId: newId(), email, name, tenantName }, this.clock.now())
    const { tenant, user } = account
    return this.database.transaction({ tenantId: tenant.id, userId: user.id }, async (tx) => {
      await this.accounts.createOwner(account, passwordHash, tx)
      await this.events.emit(new UserRegistered(tenant.id, user.id), tx)
      return { account, tokens: await this.issuer.open(account.membership, client, tx) }
    })
  }
}
