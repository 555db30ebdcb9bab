import { isUuid } from '#kernel/ids.js'

const SEPARATOR = '|'
/** As PostgreSQL has it, to the microsecond. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

/** Where a list of executions goes on: after the one of this due time and id. */
export interface ExecutionPlace {
  /** To the microsecond. */
  readonly dueAt: string
  readonly id: string
}

export function toPlaceKey({ dueAt, id }: ExecutionPlace): string {
  return dueAt + SEPARATOR + id
}

/** Null: no key of a place. */
export function parsePlaceKey(key: string): ExecutionPlace | null {
  const [dueAt = '', id = '', ...rest] = key.split(SEPARATOR)
  const isTime = TIME.test(dueAt) && isMoment(dueAt)
  return isTime && isUuid(id) && rest.length === 0 ? { dueAt, id } : null
}

/** There is such a day, and PostgreSQL knows its year: it has no year 0. */
function isMoment(text: string): boolean {
  const time = new Date(text)
  return time.getTime() > 0 && time.toISOString().slice(0, 19) === text.slice(0, 19)
}
