import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { Principal } from '#platform/http/principal.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { UserRenamed } from '../auth.events.js'
import type { Me, UpdateMeCommand } from '../auth.schemas.js'
import { MEMBERS_TAG } from '../members/members.schemas.js'
import { AccountEvents } from './account-events.service.js'
import { identityOf } from './account-view.js'
import { type Account, AccountsRepository } from './accounts.repository.js'

/** What a person does with his own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly events: AccountEvents,
    private readonly responses: ResponseCache,
    private readonly clock: Clock,
  ) {}

  async getMe(principal: Principal): Promise<Me> {
    const { tenantId, userId } = principal
    return this.database.transaction({ tenantId, userId }, (tx) => this.toMe(principal, tx))
  }

  async update(principal: Principal, { name }: UpdateMeCommand): Promise<Me> {
    const { tenantId, userId } = principal
    const { me, seenIn } = await this.database.transaction({ tenantId, userId }, async (tx) => {
      const before = await this.get(principal, tx)
      if (name === undefined || name === before.user.name) return { me: await this.toMe(principal, tx), seenIn: [] }
      await this.accounts.rename(userId, name, this.clock.now(), tx)
      const answer = { me: await this.toMe(principal, tx), seenIn: await this.accounts.listMemberships(userId, tx) }
      const names = { before: before.user.name, after: name }
      await this.events.emitInEachTenant(userId, (id) => new UserRenamed(id, userId, names), tx)
      return answer
    })
    await this.responses.invalidate(
      seenIn.map((membership) => membership.tenantId),
      [MEMBERS_TAG],
    )
    return me
  }

  private async toMe(principal: Principal, tx: Tx): Promise<Me> {
    const { tenantId, userId, sessionId, permissions } = principal
    const account = await this.get(principal, tx)
    // A key is of one tenant; where else its maker belongs is not for whoever holds it.
    const tenants = await this.accounts.listTenants({ userId, tenantId: sessionId === null ? tenantId : null }, tx)
    return { ...identityOf(account), permissions: [...permissions], tenants }
  }

  private async get({ tenantId, userId }: Principal, tx: Tx): Promise<Account> {
    const account = await this.accounts.findAccount(tenantId, userId, tx)
    if (!account) throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This account is gone.' })
    return account
  }
}
