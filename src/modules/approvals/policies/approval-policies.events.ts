import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ApprovalPolicy } from './approval-policies.schemas.js'

/** A tenant decides otherwise who may approve, how long, and what silence means. */
export class ApprovalPolicyChanged extends AuditedEvent {
  override readonly type = 'approval.policy_changed'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    { before, after }: { before: ApprovalPolicy; after: ApprovalPolicy },
  ) {
    super()
    this.audit = {
      action: 'approval_policy_changed',
      resource: { type: 'approval_policy', id: tenantId },
      before: { ...before },
      after: { ...after },
    }
  }
}
