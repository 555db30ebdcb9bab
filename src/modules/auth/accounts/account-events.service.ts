import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { DomainEvent } from '#platform/events/domain-event.js'
import { EventBus } from '#platform/events/event-bus.js'
import { AccountsRepository } from './accounts.repository.js'

/** Tells every team of a user what happened to his account, in the transaction of the change itself. */
@Injectable()
export class AccountEvents {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly events: EventBus,
  ) {}

  /**
   * Last in its transaction, whose scope is another one afterwards. Scope: `userId`.
   * @param make what a team is told: nothing, if it is not concerned
   */
  async emitInEachTenant(
    userId: string,
    make: (tenantId: string) => DomainEvent | readonly DomainEvent[],
    tx: Tx,
  ): Promise<void> {
    await this.inEachTenant(
      userId,
      async (tenantId) => {
        for (const event of [make(tenantId)].flat()) await this.events.emit(event, tx)
      },
      tx,
    )
  }

  /** The same for more than events: `work` runs in the scope of each tenant in turn. */
  async inEachTenant(userId: string, work: (tenantId: string) => Promise<void>, tx: Tx): Promise<void> {
    const memberships = await this.accounts.listMemberships(userId, tx)
    // In one order for everybody: each tenant's audit chain is locked until the commit.
    const tenantIds = memberships.map(({ tenantId }) => tenantId).sort()
    for (const tenantId of tenantIds) {
      await tx.rescope({ tenantId, userId })
      await work(tenantId)
    }
  }
}
