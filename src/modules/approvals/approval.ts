export const APPROVAL_STATUSES = ['pending', 'approved', 'rejected', 'expired'] as const
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number]

/** What a person was asked for: the run, all that its agent does, one tool call, or what became of a call that a crash cut off. */
export const APPROVAL_REASONS = ['run', 'agent', 'tool', 'outcome_unknown'] as const
export type ApprovalReason = (typeof APPROVAL_REASONS)[number]

export const DEFAULT_DECISIONS = ['approve', 'reject'] as const
export type DefaultDecision = (typeof DEFAULT_DECISIONS)[number]

/** A run asks whether exactly these arguments may be used. */
export interface ApprovalRequest {
  /** Of the approval to be: the run's journal names it in the same commit. */
  readonly id: string
  readonly tenantId: string
  readonly runId: string
  /** Journal position of the step that waits. */
  readonly position: number
  readonly agent: string
  readonly reason: ApprovalReason
  readonly tool: string | null
  /** JSON as it will be used; see `hashArguments` for what it must not contain. */
  readonly arguments: unknown
  /** The user on whose behalf the run works; null: nobody's. */
  readonly requestedBy: string | null
}

export interface RequestedApproval {
  readonly id: string
  readonly expiresAt: Date
  /** Hex. */
  readonly argumentsHash: string
}

/** Who decided: a person in a session, or an API key that acts for one. */
export interface Decider {
  readonly userId: string
  readonly apiKeyId: string | null
}
