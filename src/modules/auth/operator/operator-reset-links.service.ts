import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { linkWithToken } from '#platform/http/public-url.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordResetIssued } from '../auth.events.js'
import { OneTimeTokens } from '../recovery/one-time-tokens.service.js'

/** Reset links in the hands of the server's operator: the way back where there is no mail, and no other owner. */
@Injectable()
export class OperatorResetLinks {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly tokens: OneTimeTokens,
    private readonly events: AccountEvents,
  ) {}

  /** A link that opens the account with this address. @throws AppError `not_found` for no account, and for one without a team */
  async issue(email: string): Promise<string> {
    const user = await this.database.transaction({ signInEmail: email }, (tx) => this.accounts.findByEmail(email, tx))
    if (!user) throw new AppError('not_found', 'not_found', { detail: `no account has the address ${email}` })
    return this.database.transaction({ userId: user.id }, async (tx) => {
      const memberships = await this.accounts.listMemberships(user.id, tx)
      if (memberships.length === 0) throw isInNoTeam(email)
      const link = await this.make(user.id, tx)
      await this.events.emitInEachTenant(
        user.id,
        (tenantId) => new PasswordResetIssued(tenantId, user.id, 'operator'),
        tx,
      )
      return link
    })
  }

  /** The link alone, in the caller's transaction, which tells who made it. Scope: `userId`. */
  async make(userId: string, tx: Tx): Promise<string> {
    const { text } = await this.tokens.issueForOperator(userId, tx)
    return linkWithToken(this.config, 'reset-password', text)
  }
}

function isInNoTeam(email: string): AppError {
  return new AppError('not_found', 'not_found', {
    detail: `${email} belongs to no team, and could not sign in: first-owner gives him one`,
  })
}
