import type { ApprovalReason, ApprovalStatus, Decider, DefaultDecision } from './approval.js'
import type { Approval, ApprovalSummary } from './approvals.schemas.js'

/** An approval as it is read, but for what can be large. */
export interface ApprovalSummaryRow {
  readonly tenantId: string
  readonly id: string
  readonly runId: string
  readonly position: number
  readonly agent: string
  readonly reason: ApprovalReason
  readonly tool: string | null
  readonly argumentsHash: Buffer
  readonly status: ApprovalStatus
  readonly defaultDecision: DefaultDecision
  readonly requesterMayDecide: boolean
  readonly requestedBy: string | null
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly decidedByUser: string | null
  readonly decidedByKey: string | null
  readonly decidedAt: Date | null
  readonly comment: string | null
}

export interface ApprovalRow extends ApprovalSummaryRow {
  readonly arguments: unknown
}

export function toApproval(row: ApprovalRow): Approval {
  return { ...toApprovalSummary(row), arguments: row.arguments }
}

export function toApprovalSummary(row: ApprovalSummaryRow): ApprovalSummary {
  return {
    id: row.id,
    runId: row.runId,
    agent: row.agent,
    reason: row.reason,
    tool: row.tool,
    argumentsHash: row.argumentsHash.toString('hex'),
    status: row.status,
    requestedBy: row.requestedBy,
    requesterMayDecide: row.requesterMayDecide,
    defaultDecision: row.defaultDecision,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    decidedBy: toDecider(row),
    decidedAt: row.decidedAt && row.decidedAt.toISOString(),
    comment: row.comment,
  }
}

/** Null when nobody decided. */
export function toDecider({ decidedByUser, decidedByKey }: ApprovalSummaryRow): Decider | null {
  return decidedByUser === null ? null : { userId: decidedByUser, apiKeyId: decidedByKey }
}
