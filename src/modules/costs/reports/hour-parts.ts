const MS_PER_HOUR = 3_600_000

/** From inclusive, to exclusive; nothing where `to` is not later. */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

/** A range as it can be added up: what is whole from the sums of hours, the rest from the entries. */
export interface HourParts {
  /** Before the first whole hour. */
  readonly head: TimeRange
  readonly hours: TimeRange
  /** After the last whole hour. */
  readonly rest: TimeRange
  /** Until here go the hours that begin in the range; from `hours.from` on. */
  readonly lastBegunEndsAt: Date
}

export function toHourParts({ from, to }: TimeRange): HourParts {
  const first = new Date(Math.ceil(from.getTime() / MS_PER_HOUR) * MS_PER_HOUR)
  const last = new Date(Math.floor(to.getTime() / MS_PER_HOUR) * MS_PER_HOUR)
  const headEnd = first < to ? first : to
  return {
    head: { from, to: headEnd },
    hours: { from: first, to: last },
    rest: { from: last > headEnd ? last : headEnd, to },
    lastBegunEndsAt: new Date(Math.ceil(to.getTime() / MS_PER_HOUR) * MS_PER_HOUR),
  }
}
