import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import type { BudgetScope } from './budget.js'
import { BudgetDeleted } from './budget.events.js'
import { BudgetsRepository } from './budgets.repository.js'

/** What the budgets to be removed count. */
export interface RemovedTarget {
  readonly tenantId: string
  readonly scope: BudgetScope
  /** The project's or key's id, the agent's slug. */
  readonly target: string
}

/** Removes the budgets of what is gone, in the transaction in which it goes. */
@Injectable()
export class BudgetRemovals {
  constructor(
    private readonly repository: BudgetsRepository,
    private readonly rules: TenantsSpendingRules,
    private readonly events: EventBus,
  ) {}

  async removeFor(removed: RemovedTarget, tx: Tx): Promise<void> {
    const budgets = await this.repository.deleteOf(removed, tx)
    for (const budget of budgets) await this.events.emit(new BudgetDeleted(budget, true), tx)
    // A replica that has not heard yet looks for a budget that is not there, and finds nothing to reserve.
    if (budgets.length > 0) tx.afterCommit(() => this.rules.changed(removed.tenantId))
  }
}
