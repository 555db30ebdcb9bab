import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { ROLES } from '#platform/http/principal.js'

/** Of cached answers that show who is in a tenant: invalidate it after a commit that changes that. */
export const MEMBERS_TAG = 'members'

export const memberSchema = z
  .strictObject({
    id: z.uuid().describe("The user's id."),
    email: z.string(),
    name: z.string().nullable(),
    role: z.enum(ROLES),
    disabled: z.boolean().describe('Suspended in this tenant.'),
    createdAt: z.iso.datetime().describe('When he joined this tenant.'),
  })
  .meta({ id: 'Member' })
export type Member = z.infer<typeof memberSchema>

export const memberListQuerySchema = z.strictObject(pageQueryShape)
export type MemberListQuery = z.infer<typeof memberListQuerySchema>
export const memberPageSchema = pageSchema(memberSchema).meta({ id: 'MemberPage' })

export const updateMemberSchema = z
  .strictObject({
    role: z.enum(ROLES).optional(),
    disabled: z
      .boolean()
      .optional()
      .describe('true: suspended. His sessions in this tenant end; his API keys wait. false: may sign in again.'),
  })
  .meta({ id: 'UpdateMember' })
export type UpdateMemberCommand = z.infer<typeof updateMemberSchema>
