import { nextCronMs } from './cron-instants.js'

const MS_PER_SECOND = 1000

/** When a schedule is due, before its jitter. */
export type Timing =
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  /** At anchor + k × everySeconds, k from 1. */
  | { readonly kind: 'interval'; readonly everySeconds: number; readonly anchor: Date }
  | { readonly kind: 'once'; readonly runAt: Date }

/** A stretch of time, its end included and its beginning not, and how many times of it are wanted. */
export interface TimingWindow {
  readonly after: Date
  readonly until: Date
  readonly limit: number
}

/**
 * The first nominal time strictly after `after`; null: never again (a cron's horizon is the year 9999).
 * @throws Error for a timing that has a problem (see findTimingProblem)
 */
export function nextAfter(timing: Timing, after: Date): Date | null {
  if (timing.kind === 'interval') return nextOfInterval(timing, after)
  if (timing.kind === 'once') return timing.runAt > after ? timing.runAt : null
  const nextMs = nextCronMs(timing, after.getTime())
  return nextMs === null ? null : new Date(nextMs)
}

/** The first `limit` nominal times in (after, until]. */
export function timesBetween(timing: Timing, { after, until, limit }: TimingWindow): Date[] {
  const times: Date[] = []
  let time = nextAfter(timing, after)
  while (time !== null && time <= until && times.length < limit) {
    times.push(time)
    time = nextAfter(timing, time)
  }
  return times
}

function nextOfInterval({ everySeconds, anchor }: Timing & { kind: 'interval' }, after: Date): Date {
  const everyMs = everySeconds * MS_PER_SECOND
  const passed = Math.floor((after.getTime() - anchor.getTime()) / everyMs)
  return new Date(anchor.getTime() + Math.max(passed + 1, 1) * everyMs)
}
