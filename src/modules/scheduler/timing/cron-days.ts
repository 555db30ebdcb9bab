import type { CronPattern } from 'croner'
import { modelYear, MS_PER_DAY, startOfYearMs, YEAR_KINDS, yearKind, yearOf } from './wall-calendar.js'

const DAYS_PER_WEEK = 7
const SUNDAY = 0
const SATURDAY = 6
/** The bit of "the last such weekday of the month" in croner's sets; the bits below stand for the first to the fifth. */
const LAST_OF_WEEKDAY = 32
/** The rarest day: 29 February on one weekday, across a century's year that is no leap year. */
const MAX_YEARS_APART = 40
/** Dates of five-figure years have no common spelling. */
const LAST_YEAR = 9999
/** After so many years the calendar is the same again. */
const CALENDAR_YEARS = 400

/** What croner knows about days. */
type DayFields = Pick<
  CronPattern,
  'day' | 'month' | 'dayOfWeek' | 'lastDayOfMonth' | 'lastWeekday' | 'nearestWeekdays' | 'starDOM' | 'starDOW'
>

/** A day, and where it stands in its month. */
interface CalendarDay {
  readonly month: number
  /** From 1. */
  readonly day: number
  readonly weekday: number
  readonly daysInMonth: number
}

/**
 * The days on which a pattern fires. There are no more than 14 kinds of year, so that a year's days are found once and
 * then looked up, and what never comes is known for certain.
 */
export class CronDays {
  private readonly daysByKind: Uint8Array<ArrayBuffer>[] = []

  constructor(private readonly fields: DayFields) {}

  /** Whether there is such a day at all. */
  get exist(): boolean {
    return Array.from({ length: YEAR_KINDS }, (_, kind) => this.daysOf(modelYear(kind))).some((days) =>
      days.includes(1),
    )
  }

  /** The first day (from its midnight) not before this one. Null: none until the year 9999. */
  nextMs(midnightMs: number): number | null {
    const first = yearOf(midnightMs)
    for (let year = first; year <= Math.min(first + MAX_YEARS_APART, LAST_YEAR); year++) {
      const startMs = startOfYearMs(year)
      const index = this.daysOf(year).indexOf(1, year === first ? (midnightMs - startMs) / MS_PER_DAY : 0)
      if (index !== -1) return startMs + index * MS_PER_DAY
    }
    return null
  }

  /** How many days two of them are apart at the least; Infinity when there are none. */
  smallestGapDays(): number {
    let smallest = Infinity
    let previous = -Infinity
    let yearStart = 0
    for (let year = 2000; year <= 2000 + CALENDAR_YEARS; year++) {
      const days = this.daysOf(year)
      for (let index = days.indexOf(1); index !== -1; index = days.indexOf(1, index + 1)) {
        smallest = Math.min(smallest, yearStart + index - previous)
        if (smallest === 1) return 1
        previous = yearStart + index
      }
      yearStart += days.length
    }
    return smallest
  }

  /** One byte a day of the year: 1 where the pattern fires. */
  private daysOf(year: number): Uint8Array<ArrayBuffer> {
    const kind = yearKind(year)
    return (this.daysByKind[kind] ??= Uint8Array.from(calendarOf(modelYear(kind)), (day) =>
      Number(matches(this.fields, day)),
    ))
  }
}

function* calendarOf(year: number): Generator<CalendarDay> {
  for (let month = 0; month < 12; month++) {
    const last = new Date(Date.UTC(year, month + 1, 0))
    const daysInMonth = last.getUTCDate()
    const weekdayOfLast = last.getUTCDay()
    for (let day = 1; day <= daysInMonth; day++) {
      yield { month, day, daysInMonth, weekday: weekdayAt(weekdayOfLast, day - daysInMonth) }
    }
  }
}

/** Days of the month and of the week that are both restricted are alternatives (POSIX). */
function matches(fields: DayFields, day: CalendarDay): boolean {
  if (fields.month[day.month] !== 1) return false
  if (fields.starDOW) return matchesDayOfMonth(fields, day)
  if (fields.starDOM) return matchesDayOfWeek(fields, day)
  return matchesDayOfMonth(fields, day) || matchesDayOfWeek(fields, day)
}

function matchesDayOfMonth(fields: DayFields, date: CalendarDay): boolean {
  if (fields.day[date.day - 1] === 1) return true
  if (fields.lastDayOfMonth && date.day === date.daysInMonth) return true
  if (fields.lastWeekday && isNearestWeekday(date, date.daysInMonth)) return true
  return fields.nearestWeekdays.some((set, index) => set === 1 && isNearestWeekday(date, index + 1))
}

/** Whether a day is the weekday nearest to `target` within the month: Friday for a Saturday, Monday for a Sunday. */
function isNearestWeekday({ day, weekday, daysInMonth }: CalendarDay, target: number): boolean {
  if (target > daysInMonth) return false
  const weekdayOfTarget = weekdayAt(weekday, target - day)
  if (weekdayOfTarget === SATURDAY) return day === (target === 1 ? target + 2 : target - 1)
  if (weekdayOfTarget === SUNDAY) return day === (target === daysInMonth ? target - 2 : target + 1)
  return day === target
}

function matchesDayOfWeek(fields: DayFields, { day, weekday, daysInMonth }: CalendarDay): boolean {
  const set = fields.dayOfWeek[weekday] ?? 0
  const nth = 1 << Math.floor((day - 1) / DAYS_PER_WEEK)
  return (set & nth) !== 0 || ((set & LAST_OF_WEEKDAY) !== 0 && day + DAYS_PER_WEEK > daysInMonth)
}

function weekdayAt(weekday: number, daysLater: number): number {
  return (((weekday + daysLater) % DAYS_PER_WEEK) + DAYS_PER_WEEK) % DAYS_PER_WEEK
}
