const MS_PER_SECOND = 1000
/** Either way: what failed together is not tried together again. */
const JITTER = 0.1

export interface RetryPolicy {
  /** Waits after the first failed attempt, the second, … */
  readonly retrySeconds: readonly number[]
  readonly maxRetryAfterSeconds: number
}

/**
 * How long a delivery waits for its next attempt.
 * @param attempts that have failed so far, this one included
 * @param retryAfterMs what the receiver asked for; it can make the wait longer, not shorter
 * @param random from 0 to 1
 * @returns null: there is no next attempt
 */
export function retryDelayMs(
  { retrySeconds, maxRetryAfterSeconds }: RetryPolicy,
  { attempts, retryAfterMs, random }: { attempts: number; retryAfterMs: number | null; random: number },
): number | null {
  const seconds = retrySeconds[attempts - 1]
  if (seconds === undefined) return null
  const planned = seconds * MS_PER_SECOND * (1 + JITTER * (2 * random - 1))
  const asked = Math.min(retryAfterMs ?? 0, maxRetryAfterSeconds * MS_PER_SECOND)
  return Math.round(Math.max(planned, asked))
}
