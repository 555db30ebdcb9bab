import { randomBytes } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { OwnerAppointed } from '../auth.events.js'
import { PasswordHasher } from '../passwords/password-hasher.js'
import { newOwner } from '../registration/new-owner.js'
import { OperatorResetLinks } from './operator-reset-links.service.js'

const UNKNOWN_PASSWORD_BYTES = 32

/** Teams that the server's operator makes, whatever REGISTRATION says: on a closed server nobody else could be first. */
@Injectable()
export class FirstOwners {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly links: OperatorResetLinks,
    private readonly hasher: PasswordHasher,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a tenant and its owner; a user who belongs to no team is taken as he is.
   * @returns the link by which he sets his password
   * @throws AppError `email_taken` for a member of any team
   */
  async appoint(email: string, tenantName: string | undefined): Promise<string> {
    const known = await this.database.transaction({ signInEmail: email }, (tx) => this.accounts.findByEmail(email, tx))
    // An account always has a password, so that signing in costs the same for all: this one nobody knows.
    const secret = randomBytes(UNKNOWN_PASSWORD_BYTES).toString('base64url')
    const passwordHash = known ? null : await this.hasher.hash(secret)
    const { user, tenant, membership } = newOwner(
      { userId: known?.id ?? newId(), email, name: known?.name ?? undefined, tenantName },
      this.clock.now(),
    )
    return this.database.transaction({ tenantId: tenant.id, userId: user.id }, async (tx) => {
      if (passwordHash !== null) await this.accounts.createUser(user, passwordHash, tx)
      // First of all a lock on the user: of two commands at once the second finds him in a team.
      const link = await this.links.make(user.id, tx)
      if ((await this.accounts.listMemberships(user.id, tx)).length > 0) throw isInTeam(email)
      await this.accounts.createTenant({ tenant, membership }, tx)
      await this.events.emit(new OwnerAppointed(tenant.id, user.id), tx)
      return link
    })
  }
}

function isInTeam(email: string): AppError {
  return new AppError('email_taken', 'conflict', {
    detail: `${email} belongs to a team already: reset-link makes a new link for him`,
  })
}
