import type { Price } from '#modules/costs'
import type { ModelAnswer, ModelUse } from '#modules/models'
import type { Tx } from '#platform/database/tx.js'
import type { RunEventType } from '../streaming/run-event.js'

export type StepStatus = 'running' | 'completed' | 'failed' | 'outcome_unknown' | 'cancelled'

/** A model call. `repair` says what was wrong with the answer before it. */
export interface ModelStepRequest {
  readonly repair?: string
}

/** One of the calls that a model's answer asked for, with what the tool said of itself at that time. */
export interface ToolStepRequest {
  readonly callId: string
  readonly arguments: unknown
  readonly isIdempotent: boolean
}

export interface DelegationStepRequest {
  readonly callId: string
  readonly agent: string
  readonly task: string
}

/** A question to a person: about the run as a whole (no callId), a tool call, or one that may or may not have happened. */
export interface ApprovalStepRequest {
  readonly reason: 'run' | 'agent' | 'tool' | 'outcome_unknown'
  readonly callId: string | null
  readonly argumentsHash: string
}

/** What a tool, or the agent that was delegated to, has to say to the model. */
export interface CallResult {
  readonly text: string
  readonly isError: boolean
}

export interface ApprovalResult {
  readonly isGranted: boolean
  readonly status: 'approved' | 'rejected' | 'expired'
  readonly comment: string | null
}

interface StepBase {
  readonly position: number
  readonly status: StepStatus
  /** The model, tool or agent; for an approval what it is about. */
  readonly name: string
  /** The run's attempt that began it. */
  readonly attempt: number
  readonly startedAt: Date
}

export interface ModelStep extends StepBase {
  readonly kind: 'model'
  readonly request: ModelStepRequest
  readonly result: ModelAnswer | null
}

export interface ToolStep extends StepBase {
  readonly kind: 'tool'
  readonly request: ToolStepRequest
  readonly result: CallResult | null
}

export interface DelegationStep extends StepBase {
  readonly kind: 'delegation'
  readonly request: DelegationStepRequest
  readonly result: CallResult | null
  /** Null: it was refused. */
  readonly childRunId: string | null
}

export interface ApprovalStep extends StepBase {
  readonly kind: 'approval'
  readonly request: ApprovalStepRequest
  readonly result: ApprovalResult | null
  readonly approvalId: string
}

/** One entry of a run's journal. */
export type Step = ModelStep | ToolStep | DelegationStep | ApprovalStep

/** Tokens and money, to be added up. `costUsd` null: nobody knows. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costUsd: string | null
}

export const NO_USAGE: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  costUsd: '0',
}

/** One priced model call. */
export interface PricedUse extends ModelUse {
  /** That held when the call was made; null: there was none, or nobody knows what to apply it to. */
  readonly price: Price | null
  readonly costUsd: string | null
}

/** How a step ended, or, while it is `running` still, what it has used so far. */
export interface StepEnd {
  readonly position: number
  readonly status: StepStatus
  readonly result: unknown
  readonly usage: Usage
  readonly uses: readonly PricedUse[]
  /** The model that ended it, and whether its answer was a kept one. */
  readonly model: string | null
  readonly cache: 'hit' | 'miss' | 'off' | null
}

/** Something to be told, not numbered yet. */
export interface Telling {
  readonly type: RunEventType
  readonly data: Readonly<Record<string, unknown>>
}

/** A step that ended without a model's help. */
export function endOf(position: number, status: StepEnd['status'], result: unknown): StepEnd {
  return { position, status, result, usage: NO_USAGE, uses: [], model: null, cache: null }
}

/** What a run tells the LLM cache: an answer to keep, or that a kept one took the place of a call. */
export interface KeptAnswerWrite {
  readonly keyHash: Buffer
  /** Asks for all its statements before it waits for any. */
  readonly write: (tx: Tx) => Promise<unknown>
}
