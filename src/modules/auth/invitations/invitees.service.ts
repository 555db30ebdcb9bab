import { Injectable } from '@nestjs/common'
import { AppError, invalidField } from '#kernel/app-error.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordSetter } from '../passwords/password-setter.service.js'
import { PasswordAttempts } from '../sessions/password-attempts.service.js'
import type { InvitationEntity } from './invitation.entity.js'
import type { AcceptInvitationCommand } from './invitations.schemas.js'

/** Who accepts: a user that there is, or one to be made with this password. */
export interface Invitee {
  readonly userId: string
  /** Null: the account exists. */
  readonly newPasswordHash: string | null
}

/** Finds out whether whoever holds an invitation is the one it was made for. */
@Injectable()
export class Invitees {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly passwords: PasswordSetter,
    private readonly attempts: PasswordAttempts,
  ) {}

  /**
   * @throws AppError `forbidden` for somebody else's session or an API key, and for a new account where registration is
   * closed; `unauthenticated` for a wrong password; `rate_limited` while the account waits; `validation_failed`
   */
  async identify(
    { email, tenantId }: InvitationEntity,
    command: AcceptInvitationCommand,
    principal: Principal | undefined,
  ): Promise<Invitee> {
    const user = await this.database.transaction({ signInEmail: email }, (tx) => this.accounts.findByEmail(email, tx))
    if (principal) assertHimself(principal, user?.id ?? null)
    if (!user) return this.prepare({ email, tenantId }, command)
    if (!principal) await this.checkPassword(email, command)
    return { userId: user.id, newPasswordHash: null }
  }

  private async prepare(
    { email, tenantId }: Pick<InvitationEntity, 'email' | 'tenantId'>,
    { password, name }: AcceptInvitationCommand,
  ): Promise<Invitee> {
    if (this.config.settings.REGISTRATION === 'closed') {
      throw new AppError('forbidden', 'forbidden', { detail: 'This server takes no new accounts.' })
    }
    if (password === undefined) throw passwordIsMissing()
    const tenant = await this.database.transaction({ tenantId }, (tx) => this.accounts.findTenant(tenantId, tx))
    return { userId: newId(), newPasswordHash: await this.passwords.prepare(password, [email, name, tenant?.name]) }
  }

  private async checkPassword(email: string, { password }: AcceptInvitationCommand): Promise<void> {
    if (password === undefined) throw passwordIsMissing()
    if (!(await this.attempts.check({ email, password }))) {
      throw new AppError('unauthenticated', 'unauthenticated', {
        detail: 'This address has an account already, and the password is not its password.',
      })
    }
  }
}

function assertHimself({ userId, sessionId }: Principal, invited: string | null): void {
  if (userId !== invited) {
    throw new AppError('forbidden', 'forbidden', {
      detail: 'This invitation is for another address than the one that you are signed in with.',
    })
  }
  // A key must not turn into a session, which may do more.
  if (sessionId === null) {
    throw new AppError('forbidden', 'forbidden', { detail: 'An API key cannot do this: sign in.' })
  }
}

/** The same with and without an account. */
function passwordIsMissing(): AppError {
  return invalidField('/password', 'Required, unless you are signed in.')
}
