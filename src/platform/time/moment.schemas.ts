import { z } from 'zod'

/** PostgreSQL knows no year 0; and nothing was due, or paid for, before this. */
const EARLIEST_MS = 0
/** With a year on top, a time that the contract can write. */
const LATEST_MS = Date.UTC(9999, 0, 1)

/** An instant that a client names, in whatever offset, such as the database can hold. */
export const momentSchema = z.iso
  .datetime({ offset: true })
  .refine((value) => !(Date.parse(value) >= LATEST_MS), { error: 'must be before the year 9999' })
  .refine((value) => !(Date.parse(value) < EARLIEST_MS), { error: 'must not be before 1970' })
