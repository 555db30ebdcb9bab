import { LRU } from 'tiny-lru'
import { CronDays } from './cron-days.js'
import { type CronFields, parseCronFields, readCronFields } from './cron-syntax.js'
import { smallestGapSeconds, timeOfDayFrom, type TimesOfDay } from './times-of-day.js'
import { MS_PER_DAY } from './wall-calendar.js'

const MS_PER_SECOND = 1000
/** More than the 10 000 schedules that one server is made for, so that they do not push each other out; 2 kB each. */
const MAX_PATTERNS = 12_000

const patterns = new LRU<WallPattern>(MAX_PATTERNS)

/** A cron pattern on a clock without a zone. Wall times are in ms as if they were UTC. */
export class WallPattern {
  /** Its hour begins with `*`: it keeps to elapsed time where clocks change (Vixie cron's rule), and not to a time of day. */
  readonly followsElapsedTime: boolean

  constructor(
    readonly fields: CronFields,
    private readonly times: TimesOfDay,
    private readonly days: CronDays,
  ) {
    this.followsElapsedTime = fields.hour.startsWith('*')
  }

  get everFires(): boolean {
    return this.days.exist
  }

  /** On a clock that never changes. */
  get smallestGapSeconds(): number {
    return smallestGapSeconds(this.times, this.days.smallestGapDays())
  }

  /** The first wall time not before this one. Null: none until the year 9999. */
  nextWallMs(fromMs: number): number | null {
    const fromSecond = Math.ceil(fromMs / MS_PER_SECOND)
    const secondsPerDay = MS_PER_DAY / MS_PER_SECOND
    const midnightMs = Math.floor(fromSecond / secondsPerDay) * MS_PER_DAY
    const today = this.days.nextMs(midnightMs)
    if (today === null) return null
    const second = timeOfDayFrom(this.times, today === midnightMs ? fromSecond - midnightMs / MS_PER_SECOND : 0)
    if (second !== null) return today + second * MS_PER_SECOND
    const later = this.days.nextMs(midnightMs + MS_PER_DAY)
    const firstSecond = timeOfDayFrom(this.times, 0)
    return later === null || firstSecond === null ? null : later + firstSecond * MS_PER_SECOND
  }
}

/** As parseWallPattern; what has been asked for before is still there. @throws CronSyntaxError */
export function wallPatternOf(cron: string): WallPattern {
  const known = patterns.get(cron)
  if (known !== undefined) return known
  const pattern = parseWallPattern(cron)
  patterns.set(cron, pattern)
  return pattern
}

/** @throws CronSyntaxError */
export function parseWallPattern(cron: string): WallPattern {
  const fields = readCronFields(cron)
  const parsed = parseCronFields(fields)
  // croner keeps 10 000 years of each pattern: only its days stay, and not the whole.
  const { day, month, dayOfWeek, lastDayOfMonth, lastWeekday, nearestWeekdays, starDOM, starDOW } = parsed
  const days = new CronDays({ day, month, dayOfWeek, lastDayOfMonth, lastWeekday, nearestWeekdays, starDOM, starDOW })
  const times = { hours: valuesOf(parsed.hour), minutes: valuesOf(parsed.minute), seconds: valuesOf(parsed.second) }
  return new WallPattern(fields, times, days)
}

function valuesOf(flags: readonly number[]): number[] {
  return flags.flatMap((flag, value) => (flag === 1 ? [value] : []))
}
