import { Injectable, type OnModuleInit } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import { ApiKeyCreated, ApiKeyDeleted } from '#modules/auth'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import { BudgetRemovals } from './budget-removals.service.js'
import { BudgetsRepository } from './budgets.repository.js'

const ALERT_PERCENTS = [50, 80, 100]

/** The `budgetUsd` of an API key is a budget like any other, which comes and goes with the key. */
@Injectable()
export class KeyBudgets implements OnModuleInit {
  constructor(
    private readonly events: EventBus,
    private readonly repository: BudgetsRepository,
    private readonly removals: BudgetRemovals,
    private readonly rules: TenantsSpendingRules,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(ApiKeyCreated, (event, tx) => this.add(event, tx))
    this.events.subscribe(ApiKeyDeleted, ({ tenantId, key }, tx) =>
      this.removals.removeFor({ tenantId, scope: 'apiKey', target: key.id }, tx),
    )
  }

  /** The key's event is what the audit log keeps of it. */
  private async add({ tenantId, key }: ApiKeyCreated, tx: Tx): Promise<void> {
    const { id: target, budgetUsd: limitUsd } = key
    if (limitUsd === null) return
    const createdAt = new Date(key.createdAt)
    const what = { scope: 'apiKey', scopeId: target, target, period: 'total', isOfKey: true } as const
    const terms = { limitUsd, alertPercents: ALERT_PERCENTS, isHard: true }
    const added = this.repository.add({ tenantId, id: newId(), ...what, ...terms, createdAt, updatedAt: createdAt }, tx)
    // Nobody has the key before this is said: it is in the answer alone, which comes behind.
    tx.afterCommit(() => this.rules.changed(tenantId))
    await added
  }
}
