import { Injectable } from '@nestjs/common'
import { type AppError, invalidField } from '#kernel/app-error.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { sessionEpoch } from '../access/epoch-names.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import type { UserEntity } from '../accounts/user.entity.js'
import { rolesWithin } from '../members/membership-rules.js'
import { PasswordSetter } from '../passwords/password-setter.service.js'
import { permissionsOf } from '../permissions.js'
import { emailHashOf } from '../sessions/login-lockout.service.js'
import type { OneTimeTokenEntity } from './one-time-token.entity.js'
import { OneTimeTokens } from './one-time-tokens.service.js'
import type { ResetPasswordCommand } from './recovery.schemas.js'
import { ResetConsequences } from './reset-consequences.service.js'

/** Sets a new password for whoever holds a reset link. */
@Injectable()
export class PasswordReset {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly tokens: OneTimeTokens,
    private readonly setter: PasswordSetter,
    private readonly consequences: ResetConsequences,
    private readonly epochs: Epochs,
  ) {}

  /**
   * Ends all sessions and API keys of the user in all of his tenants, on every replica before it resolves. A password that is refused
   * leaves the link as it was.
   * @throws AppError `validation_failed` at `/token`, in the same words for a wrong, a used and an expired one, or at
   * `/password`; `unavailable` when too many passwords are being hashed
   */
  async reset({ token: text, password }: ResetPasswordCommand): Promise<void> {
    const token = await this.tokens.find('password_reset', text)
    const found = token && (await this.findUser(token.userId))
    if (!token || !found) throw refusedToken()
    const { user, words } = found
    const passwordHash = await this.setter.prepare(password, words)
    const { issuedIn } = token
    const scope = {
      userId: user.id,
      presentedHash: emailHashOf(user.email),
      ...(issuedIn !== null && { tenantId: issuedIn }),
    }
    const ended = await this.database.transaction(scope, (tx) => this.store(token, { user, passwordHash }, tx))
    await this.epochs.advance(ended)
  }

  private async store(
    token: OneTimeTokenEntity,
    { user, passwordHash }: { user: UserEntity; passwordHash: string },
    tx: Tx,
  ): Promise<string[]> {
    if (!(await this.tokens.spend(token, tx)) || !(await this.isStillIssuers(token, tx))) throw refusedToken()
    const ended = await this.setter.store({ userId: user.id, passwordHash }, tx)
    if (ended === null) throw refusedToken()
    const epochs = await this.consequences.follow(user, { isMailboxProved: token.issuedIn === null }, tx)
    return [...ended.map(sessionEpoch), ...epochs]
  }

  /** A link that an admin was handed opens accounts of his own team alone, for as long as he has a say over them. */
  private async isStillIssuers({ userId, issuedIn, issuedBy }: OneTimeTokenEntity, tx: Tx): Promise<boolean> {
    if (issuedIn === null) return true
    const [membership, ...others] = await this.accounts.listMemberships(userId, tx)
    if (membership?.tenantId !== issuedIn || others.length > 0 || issuedBy === null) return false
    const issuer = (await this.accounts.findMember(issuedIn, issuedBy, tx))?.membership
    if (!issuer || issuer.disabledAt !== null) return false
    return permissionsOf(issuer.role).has('members:write') && rolesWithin(issuer.role).includes(membership.role)
  }

  /** The user, and the words around his account. */
  private findUser(userId: string): Promise<{ user: UserEntity; words: (string | undefined)[] } | null> {
    return this.database.transaction({ userId }, async (tx) => {
      const user = await this.accounts.findUser(userId, tx)
      if (!user) return null
      const tenants = await this.accounts.listTenants({ userId, tenantId: null }, tx)
      return { user, words: [user.email, user.name ?? undefined, ...tenants.map(({ name }) => name)] }
    })
  }
}

function refusedToken(): AppError {
  return invalidField('/token', 'is wrong, used or expired: ask for a new link')
}
