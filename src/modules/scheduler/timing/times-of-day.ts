const SECONDS_PER_MINUTE = 60
const SECONDS_PER_HOUR = 3600

/** The hours, minutes and seconds of a pattern, each ascending and not empty: its times of day are all their combinations. */
export interface TimesOfDay {
  readonly hours: readonly number[]
  readonly minutes: readonly number[]
  readonly seconds: readonly number[]
}

/** In seconds from midnight; null: none left on this day. */
export function timeOfDayFrom(times: TimesOfDay, fromSecond: number): number | null {
  const hour = Math.floor(fromSecond / SECONDS_PER_HOUR)
  const minute = Math.floor((fromSecond % SECONDS_PER_HOUR) / SECONDS_PER_MINUTE)
  if (times.hours.includes(hour)) {
    const second = times.minutes.includes(minute)
      ? valueFrom(times.seconds, fromSecond % SECONDS_PER_MINUTE)
      : undefined
    if (second !== undefined) return toSeconds(hour, minute, second)
    const laterMinute = valueFrom(times.minutes, minute + 1)
    if (laterMinute !== undefined) return toSeconds(hour, laterMinute, first(times.seconds))
  }
  const laterHour = valueFrom(times.hours, hour + 1)
  return laterHour === undefined ? null : toSeconds(laterHour, first(times.minutes), first(times.seconds))
}

/** The smallest distance of two times of one day, or of a day's last to the first `dayGap` days later. */
export function smallestGapSeconds({ hours, minutes, seconds }: TimesOfDay, dayGap: number): number {
  const withinMinute = last(seconds) - first(seconds)
  const withinHour = toSeconds(0, last(minutes) - first(minutes), withinMinute)
  const withinDay = toSeconds(last(hours) - first(hours), 0, withinHour)
  return Math.min(
    smallestStep(seconds),
    smallestStep(minutes) * SECONDS_PER_MINUTE - withinMinute,
    smallestStep(hours) * SECONDS_PER_HOUR - withinHour,
    dayGap * 24 * SECONDS_PER_HOUR - withinDay,
  )
}

function smallestStep(values: readonly number[]): number {
  return Math.min(...values.slice(1).map((value, index) => value - (values[index] ?? 0)))
}

function toSeconds(hours: number, minutes: number, seconds: number): number {
  return hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE + seconds
}

function valueFrom(values: readonly number[], from: number): number | undefined {
  return values.find((value) => value >= from)
}

function first(values: readonly number[]): number {
  return values[0] ?? 0
}

function last(values: readonly number[]): number {
  return values.at(-1) ?? 0
}
