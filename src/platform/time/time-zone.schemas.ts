import { z } from 'zod'
import { canonicalTimeZone, isTimeZone } from './time-zone.js'

const MAX_TIMEZONE_LENGTH = 64

/** A zone's name, spelt as the tz database spells it. */
export const timezoneSchema = z
  .string()
  .max(MAX_TIMEZONE_LENGTH)
  .refine(isTimeZone, { error: 'must be a time zone such as Europe/Berlin' })
  .overwrite((name) => canonicalTimeZone(name) ?? name)
  .describe('IANA name, such as Europe/Berlin.')
