import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { FIGURES_TAG } from '#platform/http/response-cache/cache-rule.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { BudgetRecounts } from '../budgets/budget-recounts.service.js'
import { TenantsSpendingRules } from '../rules/tenants-spending-rules.service.js'
import { CostPolicyChanged } from './cost-policies.events.js'
import { CostPoliciesRepository } from './cost-policies.repository.js'
import type { CostPolicy } from './cost-policies.schemas.js'

/** Of a tenant that says nothing. */
const INITIAL: CostPolicy = { timezone: 'UTC', unpricedModels: 'allow' }

/** What holds for a tenant's money, whatever it is spent on. */
@Injectable()
export class CostPolicies {
  constructor(
    private readonly database: Database,
    private readonly policies: CostPoliciesRepository,
    private readonly recounts: BudgetRecounts,
    private readonly rules: TenantsSpendingRules,
    private readonly answers: ResponseCache,
    private readonly events: EventBus,
  ) {}

  async get({ tenantId }: Principal): Promise<CostPolicy> {
    const said = await this.database.transaction({ tenantId }, (tx) => this.policies.find(tenantId, tx))
    return said ?? INITIAL
  }

  /** Holds on every replica once this resolves. @throws AppError `validation_failed` for a time zone that the database does not know */
  async replace({ tenantId }: Principal, policy: CostPolicy): Promise<CostPolicy> {
    // Also where nothing is new: whoever wrote it may have died before he said so.
    await this.rules.changing(tenantId, () =>
      this.database.transaction({ tenantId }, async (tx) => {
        const before = await this.policies.lock(tenantId, INITIAL, tx)
        const isElsewhere = before.timezone !== policy.timezone
        if (!isElsewhere && before.unpricedModels === policy.unpricedModels) return
        if (isElsewhere && !(await this.policies.knowsTimeZone(policy.timezone, tx))) {
          throw invalidField('/timezone', 'The database of this server does not know this time zone.')
        }
        await this.policies.update(tenantId, policy, tx)
        await this.events.emit(new CostPolicyChanged(tenantId, { before, after: policy }), tx)
        if (isElsewhere) this.recounts.recountAll(tenantId, tx)
      }),
    )
    await this.answers.invalidate([tenantId], [FIGURES_TAG])
    return policy
  }
}
