import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ApprovalReason, ApprovalStatus, Decider } from './approval.js'

const SYSTEM: Actor = { type: 'system', id: null }

export interface ApprovalRequestedFacts {
  readonly tenantId: string
  readonly approvalId: string
  readonly runId: string
  readonly position: number
  readonly agent: string
  readonly reason: ApprovalReason
  readonly tool: string | null
  readonly requestedBy: string | null
  readonly argumentsHash: string
  readonly expiresAt: Date
}

/** A run waits for a person. */
export class ApprovalRequested extends AuditedEvent {
  override readonly type = 'approval.requested'
  readonly tenantId: string
  readonly audit: AuditFacts

  constructor(readonly facts: ApprovalRequestedFacts) {
    super()
    this.tenantId = facts.tenantId
    const { runId, agent, reason, tool, requestedBy, argumentsHash, expiresAt } = facts
    this.audit = {
      action: 'approval_requested',
      // Whoever started the run, it is the engine that asks, and on any replica.
      actor: SYSTEM,
      resource: { type: 'approval', id: facts.approvalId },
      // Not `…Hash`: the log redacts what has such a name.
      after: { runId, agent, reason, tool, requestedBy, argumentsSha256: argumentsHash, expiresAt },
    }
  }
}

export interface ApprovalDecidedFacts {
  readonly tenantId: string
  readonly approvalId: string
  readonly runId: string
  readonly position: number
  readonly status: Exclude<ApprovalStatus, 'pending'>
  readonly isGranted: boolean
  readonly decidedBy: Decider | null
  readonly comment: string | null
  readonly argumentsHash: string
}

/** A person has decided, or nobody has in time. Emitted in the deciding transaction, in which the run is resumed, too. */
export class ApprovalDecided extends AuditedEvent {
  override readonly type = 'approval.decided'
  readonly tenantId: string
  readonly approvalId: string
  readonly runId: string
  /** Journal position of the step that waits. */
  readonly position: number
  /** `expired`: by its default, which `isGranted` tells. */
  readonly status: ApprovalDecidedFacts['status']
  /** Whether what was asked for may be done. */
  readonly isGranted: boolean
  /** Null: nobody; it expired. */
  readonly decidedBy: Decider | null
  readonly comment: string | null
  /** Hex; what runs must have it. */
  readonly argumentsHash: string
  readonly audit: AuditFacts

  constructor(facts: ApprovalDecidedFacts) {
    super()
    const { status, isGranted, runId, comment, decidedBy, argumentsHash } = facts
    this.tenantId = facts.tenantId
    this.approvalId = facts.approvalId
    this.runId = runId
    this.position = facts.position
    this.status = status
    this.isGranted = isGranted
    this.decidedBy = decidedBy
    this.comment = comment
    this.argumentsHash = argumentsHash
    this.audit = {
      action: `approval_${status}`,
      actor: actorOf(decidedBy),
      resource: { type: 'approval', id: facts.approvalId },
      before: { status: 'pending' },
      after: { status, isGranted, runId, comment, argumentsSha256: argumentsHash },
    }
  }
}

/** Said here: a request can find an approval expired, and is not who decided it. */
function actorOf(decider: Decider | null): Actor {
  if (!decider) return SYSTEM
  return decider.apiKeyId === null ? { type: 'user', id: decider.userId } : { type: 'api_key', id: decider.apiKeyId }
}
