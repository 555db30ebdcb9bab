import { Temporal } from 'temporal-polyfill'
import { LRU } from 'tiny-lru'

/** A name of the tz database: no offset such as "+02:00", which has no summer time to follow. */
const NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/
/** The database has some 600 names; the rest is for other spellings of them. */
const MAX_NAMES = 2_000

const names = new LRU<string>(MAX_NAMES)

/** An IANA zone's name in the database's own case; a link such as Europe/Kiev stays a link. Null: there is no such zone. */
export function canonicalTimeZone(name: string): string | null {
  const known = names.get(name)
  if (known !== undefined) return known
  if (!NAME.test(name)) return null
  try {
    const canonical = new Temporal.ZonedDateTime(0n, name).timeZoneId
    names.set(name, canonical)
    return canonical
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

export function isTimeZone(name: string): boolean {
  return canonicalTimeZone(name) !== null
}
