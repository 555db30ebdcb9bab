import { z } from 'zod'

const MIN_LENGTH = 12
/** Far above what a person types, far below what would make hashing a weapon. */
const MAX_LENGTH = 512

/** A new password: at least 12 characters with upper case, lower case and a digit. Unicode is normalised (NFKC). */
export const newPasswordSchema = z
  .string()
  .max(MAX_LENGTH)
  .transform(normalisePassword)
  .pipe(
    z
      .string()
      .refine((password) => Array.from(password).length >= MIN_LENGTH, {
        error: `must have at least ${MIN_LENGTH} characters`,
      })
      .regex(/\p{Lu}/u, { error: 'must have an upper-case letter' })
      .regex(/\p{Ll}/u, { error: 'must have a lower-case letter' })
      .regex(/\p{Nd}/u, { error: 'must have a digit' }),
  )

/** A password to compare with: any that could once have been accepted. */
export const givenPasswordSchema = z.string().min(1).max(MAX_LENGTH).transform(normalisePassword)

/** The same keys give the same text on every device (NIST SP 800-63B §3.1.1.2). */
function normalisePassword(password: string): string {
  return password.normalize('NFKC')
}
