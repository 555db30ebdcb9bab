import { readRetryAfterMs } from '#kernel/retry-after.js'
import { type Attempt, type ClaimedDelivery, isBusy, isGone, isSuccess } from './attempt.js'
import { type RetryPolicy, retryDelayMs } from './retry-schedule.js'

const MS_PER_SECOND = 1000

/** What an attempt means for its delivery and for its endpoint. */
export interface Outcome {
  readonly delivery: ClaimedDelivery
  readonly attempt: Attempt
  readonly status: 'delivered' | 'retrying' | 'exhausted'
  /** How far the delivery is in the schedule of retries from now on. */
  readonly retryStep: number
  /** Until the next attempt; null where there is none. */
  readonly delayMs: number | null
  /** How long the receiver wants to be left alone altogether; null: it did not say. */
  readonly pauseMs: number | null
}

/** @param random from 0 to 1 */
export function toOutcome(delivery: ClaimedDelivery, attempt: Attempt, policy: RetryPolicy, random: number): Outcome {
  const { retryStep } = delivery
  const ended = { delivery, attempt, retryStep, delayMs: null, pauseMs: null }
  if (isSuccess(attempt)) return { ...ended, status: 'delivered' }
  if (isGone(attempt)) return { ...ended, status: 'exhausted' }
  const nextStep = delivery.isEarly ? Math.max(1, retryStep) : retryStep + 1
  const retryAfterMs = readRetryAfterMs(attempt.headers ?? undefined, Date.now())
  const delayMs = retryDelayMs(policy, { step: nextStep, retryAfterMs, random })
  const limitMs = policy.maxRetryAfterSeconds * MS_PER_SECOND
  const pauseMs = isBusy(attempt) && retryAfterMs !== null ? Math.min(retryAfterMs, limitMs) : null
  return { ...ended, status: delayMs === null ? 'exhausted' : 'retrying', retryStep: nextStep, delayMs, pauseMs }
}
