import { parseWallPattern, type WallPattern } from './cron-pattern.js'
import { CronSyntaxError } from './cron-syntax.js'
import { isTimeZone } from '#platform/time/time-zone.js'
import type { Timing } from './timing.js'

/** Ten years. */
const MAX_INTERVAL_SECONDS = 10 * 366 * 24 * 3600

export interface TimingProblem {
  readonly field: 'cron' | 'timezone' | 'everySeconds' | 'runAt'
  /** For people: what the field must or must not be. */
  readonly detail: string
}

export interface TimingLimits {
  readonly now: Date
  readonly minIntervalSeconds: number
}

/** Why a timing cannot be; null: it can. */
export function findTimingProblem(timing: Timing, { now, minIntervalSeconds }: TimingLimits): TimingProblem | null {
  if (timing.kind === 'once') return toProblem('runAt', timing.runAt > now ? null : 'must be in the future')
  if (timing.kind === 'interval') {
    return toProblem('everySeconds', findIntervalProblem(timing.everySeconds, minIntervalSeconds))
  }
  if (!isTimeZone(timing.timezone))
    return { field: 'timezone', detail: 'must be an IANA time zone such as Europe/Berlin' }
  return toProblem('cron', findCronProblem(timing.cron, minIntervalSeconds))
}

function toProblem(field: TimingProblem['field'], detail: string | null): TimingProblem | null {
  return detail === null ? null : { field, detail }
}

function findCronProblem(cron: string, minIntervalSeconds: number): string | null {
  let pattern: WallPattern
  try {
    pattern = parseWallPattern(cron)
  } catch (error) {
    if (error instanceof CronSyntaxError) return error.message
    throw error
  }
  // Weekdays come in every month, even five times: only days of the month can be missing.
  const { dayOfMonth, month } = pattern.fields
  if (!pattern.everFires) return `never fires: day of month "${dayOfMonth}" never comes in month "${month}"`
  const smallest = pattern.smallestGapSeconds
  if (smallest >= minIntervalSeconds) return null
  return `has times only ${smallest} s apart; at least ${minIntervalSeconds} s must lie between two`
}

function findIntervalProblem(everySeconds: number, minIntervalSeconds: number): string | null {
  if (!Number.isInteger(everySeconds)) return `must be a whole number of seconds, not ${everySeconds}`
  if (everySeconds < minIntervalSeconds) return `must be at least ${minIntervalSeconds}, not ${everySeconds}`
  if (everySeconds > MAX_INTERVAL_SECONDS) return `must be at most ${MAX_INTERVAL_SECONDS}, not ${everySeconds}`
  return null
}
