const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const MS_PER_SECOND = 1000

/** So many requests of one client in a window of fixed length, which begins with the first. */
export interface Limit {
  /** As clients see it in `RateLimit-Policy`. */
  readonly name: string
  readonly quota: number
  readonly windowMs: number
  /** Its part of the `RateLimit-Policy` header. */
  readonly policy: string
}

/** A limit that a request counts against, and the client that it counts for. */
export interface Charge {
  readonly limit: Limit
  readonly key: string
}

/** Where a client stands with a limit once a request was counted. */
export interface Standing {
  readonly limit: Limit
  readonly remaining: number
  /** Whole seconds until the window ends, at least 1. */
  readonly resetSeconds: number
}

export function perMinute(name: string, quota: number): Limit {
  return newLimit(name, quota, MINUTE_MS)
}

export function perHour(name: string, quota: number): Limit {
  return newLimit(name, quota, HOUR_MS)
}

export function perDay(name: string, quota: number): Limit {
  return newLimit(name, quota, DAY_MS)
}

function newLimit(name: string, quota: number, windowMs: number): Limit {
  return { name, quota, windowMs, policy: `"${name}";q=${quota};w=${windowMs / MS_PER_SECOND}` }
}
