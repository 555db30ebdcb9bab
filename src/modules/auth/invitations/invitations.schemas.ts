import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { ROLES } from '#platform/http/principal.js'
import { emailSchema, nameSchema } from '../auth.schemas.js'
import { passwordSchema } from '../passwords/password.schemas.js'

const MAX_TOKEN_LENGTH = 512

export const inviteSchema = z
  .strictObject({ email: emailSchema, role: z.enum(ROLES).default('member') })
  .meta({ id: 'Invite' })
export type InviteCommand = z.infer<typeof inviteSchema>

const invitationShape = {
  id: z.uuid(),
  email: z.string(),
  role: z.enum(ROLES),
  invitedBy: z.uuid().describe('The user who made it.'),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
}

export const invitationSchema = z.strictObject(invitationShape).meta({ id: 'Invitation' })
export type Invitation = z.infer<typeof invitationSchema>

const HANDED_OVER = 'Shown once, and only by a server that sends no mail: hand it over yourself.'

export const newInvitationSchema = z
  .strictObject({
    ...invitationShape,
    acceptUrl: z.string().optional().describe(HANDED_OVER),
    token: z.string().optional().describe(HANDED_OVER),
  })
  .meta({ id: 'NewInvitation' })
export type NewInvitation = z.infer<typeof newInvitationSchema>

export const invitationListQuerySchema = z.strictObject(pageQueryShape)
export type InvitationListQuery = z.infer<typeof invitationListQuerySchema>
export const invitationPageSchema = pageSchema(invitationSchema).meta({ id: 'InvitationPage' })

export const acceptInvitationSchema = z
  .strictObject({
    token: z.string().min(1).max(MAX_TOKEN_LENGTH),
    password: passwordSchema
      .optional()
      .describe('That of your account, or a new one for a new account; not needed when you are signed in.'),
    name: nameSchema.optional().describe('Of a new account.'),
  })
  .meta({ id: 'AcceptInvitation' })
export type AcceptInvitationCommand = z.infer<typeof acceptInvitationSchema>
