export const MS_PER_DAY = 86_400_000

const DAYS_PER_WEEK = 7
/** Its 28 years are the first of a run that has every kind of year. */
const FIRST_MODEL_YEAR = 2000

/** Years are alike in their calendar when they begin on the same weekday and are both leap years or both not. */
export const YEAR_KINDS = 14

export function yearOf(ms: number): number {
  return new Date(ms).getUTCFullYear()
}

export function startOfYearMs(year: number): number {
  return new Date(0).setUTCFullYear(year, 0, 1)
}

/** 0 to 13. */
export function yearKind(year: number): number {
  const isLeap = new Date(startOfYearMs(year) + 59 * MS_PER_DAY).getUTCMonth() === 1
  return new Date(startOfYearMs(year)).getUTCDay() + (isLeap ? DAYS_PER_WEEK : 0)
}

/** A year of a kind. */
export function modelYear(kind: number): number {
  let year = FIRST_MODEL_YEAR
  while (yearKind(year) !== kind) year++
  return year
}
