import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import { UserRegistered } from '../auth.events.js'
import type { RegisterCommand } from '../auth.schemas.js'
import { PasswordSetter } from '../passwords/password-setter.service.js'
import type { ClientInfo } from '#platform/http/client-info.js'
import { SessionIssuer } from '../sessions/session-issuer.service.js'
import type { SignedIn } from '../sessions/sign-in.service.js'

/** Takes in strangers: each gets a tenant of his own. */
@Injectable()
export class Registration {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly passwords: PasswordSetter,
    private readonly issuer: SessionIssuer,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /** Creates a user and a tenant that he owns. @throws AppError `email_taken`, `forbidden` when registration is not open */
  async register(command: RegisterCommand, client: ClientInfo): Promise<SignedIn> {
    if (this.config.settings.REGISTRATION !== 'open') {
      throw new AppError('forbidden', 'forbidden', {
        detail: 'Registration is closed on this server: ask for an invitation.',
      })
    }
    const { email, name, tenantName, password } = command
    const passwordHash = await this.passwords.prepare(password, [email, name, tenantName])
    const account = newOwner(command, this.clock.now())
    const { tenant, user } = account
    return this.database.transaction({ tenantId: tenant.id, userId: user.id }, async (tx) => {
      await this.accounts.createOwner(account, passwordHash, tx)
      await this.events.emit(new UserRegistered(tenant.id, user.id), tx)
      return { account, tokens: await this.issuer.open(account.membership, client, tx) }
    })
  }
}

function newOwner({ email, name, tenantName }: RegisterCommand, now: Date): Account {
  const user = { id: newId(), email, name: name ?? null, emailVerifiedAt: null, createdAt: now, updatedAt: now }
  const tenant = { id: newId(), name: tenantName ?? `${name ?? email.split('@')[0]}'s team`, createdAt: now }
  const membership = { tenantId: tenant.id, userId: user.id, role: 'owner' as const, createdAt: now, disabledAt: null }
  return { user, tenant, membership }
}
