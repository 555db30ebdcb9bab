import { z } from 'zod'
import { PERMISSIONS, type Role, ROLES } from '#platform/http/principal.js'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { passwordSchema } from './passwords/password.schemas.js'

const MAX_EMAIL_LENGTH = 254
const MAX_NAME_LENGTH = 100
const MAX_TOKEN_LENGTH = 512

export const emailSchema = z
  .string()
  .trim()
  .max(MAX_EMAIL_LENGTH)
  .toLowerCase()
  .pipe(z.email({ error: 'must be an e-mail address' }))
export const nameSchema = z
  .string()
  .trim()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })

export const registerSchema = z
  .strictObject({
    email: emailSchema,
    password: passwordSchema.describe('At least 12 characters with upper case, lower case and a digit; no common one.'),
    name: nameSchema.optional(),
    tenantName: nameSchema.optional(),
  })
  .meta({ id: 'Register' })
export type RegisterCommand = z.infer<typeof registerSchema>

export const verificationSentSchema = z
  .strictObject({ status: z.literal('verification_sent') })
  .meta({ id: 'VerificationSent' })
export type VerificationSent = z.infer<typeof verificationSentSchema>

export const loginSchema = z
  .strictObject({ email: emailSchema, password: passwordSchema, tenantId: z.uuid().optional() })
  .meta({ id: 'Login' })
export type LoginCommand = z.infer<typeof loginSchema>

export const loginQuerySchema = z.strictObject({
  cookie: z
    .enum(['true', 'false'])
    .optional()
    .describe('true: a browser session. The tokens go into `__Host-` cookies and are not in the answer.'),
})
export type LoginQuery = z.infer<typeof loginQuerySchema>

export const refreshSchema = z
  .strictObject({
    refreshToken: z.string().min(1).max(MAX_TOKEN_LENGTH).optional().describe('Absent: that of the session cookie.'),
  })
  .meta({ id: 'Refresh' })
  .optional()
export type RefreshCommand = z.infer<typeof refreshSchema>

export const logoutSchema = z
  .strictObject({
    refreshToken: z
      .string()
      .min(1)
      .max(MAX_TOKEN_LENGTH)
      .optional()
      .describe('Ends its session, without an access token.'),
  })
  .meta({ id: 'Logout' })
  .optional()
export type LogoutCommand = z.infer<typeof logoutSchema>

const userSchema = z
  .strictObject({ id: z.uuid(), email: z.string(), name: z.string().nullable(), createdAt: z.iso.datetime() })
  .meta({ id: 'User' })
const tenantSchema = z
  .strictObject({ id: z.uuid(), name: z.string(), createdAt: z.iso.datetime() })
  .meta({ id: 'Tenant' })
/** Who, where and as what. */
const identityShape = { user: userSchema, tenant: tenantSchema, role: z.enum(ROLES) }

export interface Identity {
  readonly user: z.infer<typeof userSchema>
  readonly tenant: z.infer<typeof tenantSchema>
  readonly role: Role
}

export const updateMeSchema = z.strictObject({ name: nameSchema.nullable().optional() }).meta({ id: 'UpdateMe' })
export type UpdateMeCommand = z.infer<typeof updateMeSchema>

export const changePasswordSchema = z
  .strictObject({ currentPassword: passwordSchema, newPassword: passwordSchema })
  .meta({ id: 'ChangePassword' })
export type ChangePasswordCommand = z.infer<typeof changePasswordSchema>

export const meSchema = z
  .strictObject({
    ...identityShape,
    permissions: z.array(z.enum(PERMISSIONS)),
    tenants: z
      .array(z.strictObject({ id: z.uuid(), name: z.string(), role: z.enum(ROLES) }))
      .describe('Where I may sign in to; to an API key only its own tenant.'),
  })
  .meta({ id: 'Me' })
export type Me = z.infer<typeof meSchema>

export const tokenPairSchema = z
  .strictObject({
    ...identityShape,
    accessToken: z.string(),
    refreshToken: z.string(),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().describe('Life of the access token in seconds.'),
  })
  .meta({ id: 'TokenPair' })
export type TokenPair = z.infer<typeof tokenPairSchema>

export const browserSessionSchema = z
  .strictObject({
    ...identityShape,
    csrfToken: z.string().describe('Send it as X-CSRF-Token with every unsafe request.'),
    expiresIn: z.int().describe('Life of the access cookie in seconds.'),
  })
  .meta({ id: 'BrowserSession' })
export type BrowserSession = z.infer<typeof browserSessionSchema>

export const sessionSchema = z
  .strictObject({
    id: z.uuid(),
    tenantId: z.uuid(),
    current: z.boolean().describe('Whether this request came with it.'),
    userAgent: z.string().nullable(),
    address: z.string().nullable(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().describe('The sign-in or the last refresh.'),
    expiresAt: z.iso.datetime().describe('Unless it is refreshed before.'),
  })
  .meta({ id: 'Session' })
export type Session = z.infer<typeof sessionSchema>

export const sessionListQuerySchema = z.strictObject(pageQueryShape)
export type SessionListQuery = z.infer<typeof sessionListQuerySchema>
export const sessionPageSchema = pageSchema(sessionSchema).meta({ id: 'SessionPage' })
