import type { RunInput } from '../run.entity.js'
import type { Usage } from './journal.js'

/** Who holds a run: the number grows with each claim, so a late worker's writes match nothing. */
export interface Claim {
  readonly tenantId: string
  readonly runId: string
  readonly fencingNumber: string
}

/** What a run and all that it delegated have come to so far. */
export interface RunTotals extends Usage {
  readonly steps: number
}

/** A run that this replica has claimed, with what it needs to be worked on. */
export interface ClaimedRun extends Claim {
  readonly projectId: string | null
  readonly agent: string
  readonly agentVersion: number
  readonly task: string
  readonly context: string | null
  readonly model: string
  readonly input: RunInput
  readonly cache: 'hit' | 'miss' | 'off'
  readonly userId: string | null
  readonly apiKeyId: string | null
  readonly parentRunId: string | null
  readonly scheduleId: string | null
  readonly rootRunId: string
  readonly depth: number
  readonly attempt: number
  readonly startedAt: Date
  readonly deadlineAt: Date
  /** Number of the latest stored event. */
  readonly lastEvent: number
  readonly totals: RunTotals
  /** Somebody wants it to stop. */
  readonly isCancelled: boolean
  /** Its last worker was lost: it may have told events that were never stored, and made calls that were never journalled. */
  readonly wasLost: boolean
  /** Nobody has worked on it before. */
  readonly isStart: boolean
}
