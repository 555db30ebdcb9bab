import { z } from 'zod'
import { emailSchema } from '../auth.schemas.js'
import { passwordSchema } from '../passwords/password.schemas.js'

const MAX_TOKEN_LENGTH = 512
const tokenSchema = z.string().min(1).max(MAX_TOKEN_LENGTH)

export const addressSchema = z.strictObject({ email: emailSchema }).meta({ id: 'Address' })
export type AddressCommand = z.infer<typeof addressSchema>

/** The one answer to whoever names an address, known or not. */
export const acceptedSchema = z.strictObject({ status: z.literal('accepted') }).meta({ id: 'Accepted' })
export type Accepted = z.infer<typeof acceptedSchema>
export const ACCEPTED: Accepted = { status: 'accepted' }

export const resetPasswordSchema = z
  .strictObject({
    token: tokenSchema.describe('From the link, behind `#token=`.'),
    password: passwordSchema.describe('At least 12 characters with upper case, lower case and a digit; no common one.'),
  })
  .meta({ id: 'ResetPassword' })
export type ResetPasswordCommand = z.infer<typeof resetPasswordSchema>

export const verifyEmailSchema = z
  .strictObject({ token: tokenSchema.describe('From the link, behind `#token=`.') })
  .meta({ id: 'VerifyEmail' })
export type VerifyEmailCommand = z.infer<typeof verifyEmailSchema>

export const memberResetSchema = z
  .strictObject({ resetUrl: z.url(), token: z.string(), expiresAt: z.iso.datetime() })
  .meta({ id: 'MemberPasswordReset' })
export type MemberReset = z.infer<typeof memberResetSchema>

export const memberResetSentSchema = z
  .strictObject({ status: z.literal('reset_sent') })
  .meta({ id: 'MemberPasswordResetSent' })
export type MemberResetSent = z.infer<typeof memberResetSentSchema>
export const RESET_SENT: MemberResetSent = { status: 'reset_sent' }
