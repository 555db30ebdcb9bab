import { z } from 'zod'
import { PERMISSIONS, ROLES } from '#platform/http/principal.js'
import { givenPasswordSchema, newPasswordSchema } from './passwords/password-policy.js'

const MAX_EMAIL_LENGTH = 254
const MAX_NAME_LENGTH = 100
const MAX_TOKEN_LENGTH = 512

const email = z
  .string()
  .trim()
  .max(MAX_EMAIL_LENGTH)
  .toLowerCase()
  .pipe(z.email({ error: 'must be an e-mail address' }))
const name = z
  .string()
  .trim()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })

export const registerSchema = z
  .strictObject({ email, password: newPasswordSchema, name: name.optional(), tenantName: name.optional() })
  .meta({ id: 'Register' })
export type RegisterCommand = z.infer<typeof registerSchema>

export const loginSchema = z
  .strictObject({ email, password: givenPasswordSchema, tenantId: z.uuid().optional() })
  .meta({ id: 'Login' })
export type LoginCommand = z.infer<typeof loginSchema>

export const refreshSchema = z
  .strictObject({ refreshToken: z.string().min(1).max(MAX_TOKEN_LENGTH) })
  .meta({ id: 'Refresh' })
export type RefreshCommand = z.infer<typeof refreshSchema>

const userSchema = z
  .strictObject({ id: z.uuid(), email: z.string(), name: z.string().nullable(), createdAt: z.iso.datetime() })
  .meta({ id: 'User' })
const tenantSchema = z
  .strictObject({ id: z.uuid(), name: z.string(), createdAt: z.iso.datetime() })
  .meta({ id: 'Tenant' })
const identityShape = { user: userSchema, tenant: tenantSchema, role: z.enum(ROLES) }

export const meSchema = z
  .strictObject({ ...identityShape, permissions: z.array(z.enum(PERMISSIONS)) })
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
