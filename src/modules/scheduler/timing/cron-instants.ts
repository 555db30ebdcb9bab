import { type WallPattern, wallPatternOf } from './cron-pattern.js'
import { MS_PER_DAY } from './wall-calendar.js'
import { firstInstantMs, latestWallMs, segmentAt } from './zone-offsets.js'

/**
 * The first instant strictly after another at which a cron pattern fires in a zone; null: none until the year 9999.
 *
 * A pattern with times of day fires once for each of them: in a gap at the first instant after it (several there are one
 * fire), in an overlap the first time. A pattern whose hour begins with `*` fires whenever the clocks show a time of it: in
 * an overlap twice, in a gap never.
 */
export function nextCronMs({ cron, timezone }: { cron: string; timezone: string }, afterMs: number): number | null {
  const pattern = wallPatternOf(cron)
  return pattern.followsElapsedTime
    ? nextShownMs(pattern, timezone, afterMs)
    : nextTimeOfDayMs(pattern, timezone, afterMs)
}

/** What the clocks have shown or skipped before has been fired: the search goes on behind the latest. */
function nextTimeOfDayMs(pattern: WallPattern, zone: string, afterMs: number): number | null {
  const wallMs = pattern.nextWallMs(latestWallMs(zone, afterMs) + 1)
  return wallMs === null ? null : firstInstantMs(zone, wallMs)
}

function nextShownMs(pattern: WallPattern, zone: string, afterMs: number): number | null {
  let fromMs = afterMs + 1
  for (;;) {
    const { endsAtMs, offsetMs } = segmentAt(zone, fromMs)
    const wallMs = pattern.nextWallMs(fromMs + offsetMs)
    if (wallMs === null) return null
    if (wallMs - offsetMs < endsAtMs) return wallMs - offsetMs
    // Years may lie between: an instant is never further than a day from the wall time that it shows.
    fromMs = Math.max(endsAtMs, wallMs - MS_PER_DAY)
  }
}
