import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { CostPolicy } from './cost-policies.schemas.js'

/** A tenant decides otherwise what holds for its money. */
export class CostPolicyChanged extends AuditedEvent {
  override readonly type = 'cost.policy_changed'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    { before, after }: { before: CostPolicy; after: CostPolicy },
  ) {
    super()
    this.audit = {
      action: 'cost_policy_changed',
      resource: { type: 'cost_policy', id: tenantId },
      before: { ...before },
      after: { ...after },
    }
  }
}
