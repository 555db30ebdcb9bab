import { z } from 'zod'

/** Far above what a person types, far below what would make hashing a weapon. Never truncated. */
const MAX_LENGTH = 512

/** A password, new or given. What else a new one must have is the policy's (`PasswordPolicy`). */
export const passwordSchema = z.string().min(1).max(MAX_LENGTH).transform(normalisePassword)

/** The same keys give the same text on every device (NIST SP 800-63B §3.1.1.2). */
function normalisePassword(password: string): string {
  return password.normalize('NFKC')
}
