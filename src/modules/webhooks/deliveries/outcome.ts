import { readRetryAfterMs } from '#kernel/retry-after.js'
import { type Attempt, type ClaimedDelivery, isBusy, isGone, isSuccess } from './attempt.js'
import { type RetryPolicy, retryDelayMs } from './retry-schedule.js'

/** What an attempt means for its delivery and for its endpoint. */
export interface Outcome {
  readonly delivery: ClaimedDelivery
  readonly attempt: Attempt
  readonly status: 'delivered' | 'retrying' | 'exhausted'
  /** Until the next attempt; null where there is none. */
  readonly delayMs: number | null
  /** How long the receiver wants to be left alone altogether; null: it did not say. */
  readonly pauseMs: number | null
}

/** @param random from 0 to 1 */
export function toOutcome(delivery: ClaimedDelivery, attempt: Attempt, policy: RetryPolicy, random: number): Outcome {
  if (isSuccess(attempt)) return { delivery, attempt, status: 'delivered', delayMs: null, pauseMs: null }
  if (isGone(attempt)) return { delivery, attempt, status: 'exhausted', delayMs: null, pauseMs: null }
  const retryAfterMs = readRetryAfterMs(attempt.headers ?? undefined, Date.now())
  const delayMs = retryDelayMs(policy, { attempts: delivery.attempts + 1, retryAfterMs, random })
  const limitMs = policy.maxRetryAfterSeconds * 1000
  const pauseMs = isBusy(attempt) && retryAfterMs !== null ? Math.min(retryAfterMs, limitMs) : null
  return { delivery, attempt, status: delayMs === null ? 'exhausted' : 'retrying', delayMs, pauseMs }
}
