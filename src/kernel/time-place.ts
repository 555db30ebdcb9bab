import { isUuid } from './ids.js'

const SEPARATOR = '|'
/** As PostgreSQL has it, to the microsecond. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

/** Where a list in the order of a time goes on: after the row of this time and id. */
export interface TimePlace {
  /** To the microsecond. */
  readonly at: string
  readonly id: string
}

export function toPlaceKey({ at, id }: TimePlace): string {
  return at + SEPARATOR + id
}

/** Null: no key of a place. */
export function parsePlaceKey(key: string): TimePlace | null {
  const [at = '', id = '', ...rest] = key.split(SEPARATOR)
  const isTime = TIME.test(at) && isMoment(at)
  return isTime && isUuid(id) && rest.length === 0 ? { at, id } : null
}

/** There is such a day, and PostgreSQL knows its year: it has no year 0. */
function isMoment(text: string): boolean {
  const time = new Date(text)
  return time.getTime() > 0 && time.toISOString().slice(0, 19) === text.slice(0, 19)
}
