import type { ModelFailure } from './model-failure.js'

/** What follows a failed try: the same model after a while, the next of the chain, or the end. */
export type NextMove =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'next_model' }
  | { readonly kind: 'give_up' }

export interface RetryState {
  readonly retriesLeft: number
  /** Jittered. */
  readonly backoffMs: number
  /** Of the model's time. */
  readonly remainingMs: number
}

/** A provider that asks for a longer wait is not waited for: a stand-in, or an error, is worth more. */
export const MAX_RETRY_AFTER_MS = 60_000
/** Callers that were all told the same time do not all come back in the same instant. */
export const RETRY_AFTER_SPREAD_MS = 250

/** The request is wrong, and would be with any model. */
const FAULTS_OF_OURS = new Set([400, 413, 422])
const TRANSIENT_REFUSALS = new Set([408, 409, 429])
const NEXT_MODEL: NextMove = { kind: 'next_model' }

/** Decides what to do about a failed try. */
export function nextMove(failure: ModelFailure, { retriesLeft, backoffMs, remainingMs }: RetryState): NextMove {
  if (failure.reason === 'excessive') return { kind: 'give_up' }
  if (failure.status !== null && FAULTS_OF_OURS.has(failure.status)) return { kind: 'give_up' }
  if (retriesLeft === 0 || !isTransient(failure)) return NEXT_MODEL
  const { retryAfterMs } = failure
  if (retryAfterMs !== null && retryAfterMs > MAX_RETRY_AFTER_MS) return NEXT_MODEL
  const delayMs = retryAfterMs === null ? backoffMs : retryAfterMs + Math.min(backoffMs, RETRY_AFTER_SPREAD_MS)
  return delayMs < remainingMs ? { kind: 'retry', delayMs } : NEXT_MODEL
}

function isTransient({ reason, status }: ModelFailure): boolean {
  if (reason === 'refused') return status !== null && (status >= 500 || TRANSIENT_REFUSALS.has(status))
  return reason === 'unreachable' || reason === 'broken' || reason === 'silent'
}
