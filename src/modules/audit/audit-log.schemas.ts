import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'

const MAX_QUERY_LENGTH = 200
const MAX_FILTER_LENGTH = 300
const ACTOR_TYPES = ['user', 'api_key', 'system', 'anonymous'] as const

const timestamp = z.iso.datetime({ precision: 3 })
const changes = z.record(z.string(), z.unknown()).nullable()

export const auditEntrySchema = z
  .strictObject({
    id: z.uuid(),
    sequence: z.int().describe("Position in the tenant's chain, from 1, without gaps."),
    occurredAt: timestamp,
    actor: z.strictObject({ type: z.enum(ACTOR_TYPES), id: z.string().nullable() }),
    action: z.string(),
    resource: z.strictObject({ type: z.string(), id: z.string() }),
    before: changes.describe('The changed fields as they were.'),
    after: changes.describe('The changed fields as they are since.'),
    address: z.string().nullable().describe('Where the request came from.'),
    requestId: z.string().nullable(),
    hash: z.string().describe('SHA-256 over the hash before it and this entry, in hex.'),
  })
  .meta({ id: 'AuditEntry' })
export type AuditEntry = z.infer<typeof auditEntrySchema>
export type ActorType = AuditEntry['actor']['type']

const text = z
  .string()
  .min(1)
  .refine((value) => !value.includes('\0'), { error: 'must not contain null characters' })
const filterText = text.max(MAX_FILTER_LENGTH)

const filterShape = {
  q: text
    .max(MAX_QUERY_LENGTH)
    .optional()
    .describe('Full text over action, resource, actor and values: words, "phrases", or, -not.'),
  actor: filterText.optional().describe('Id of a user or an API key, or a type of actor.'),
  action: filterText.optional(),
  resource: filterText.optional().describe('`type` or `type/id`.'),
  from: z.iso.datetime({ offset: true }).optional().describe('Happened at or after.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Happened before.'),
}

export const auditFilterSchema = z.strictObject(filterShape)
export type AuditFilter = z.infer<typeof auditFilterSchema>
export const auditListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape })
export type AuditListQuery = z.infer<typeof auditListQuerySchema>
export const auditPageSchema = pageSchema(auditEntrySchema)

/** What can be wrong with a chain; the README says what each one means. */
export const BREAKS = ['missing', 'changed', 'inserted', 'truncated', 'head_changed', 'head_missing'] as const

export const auditVerificationSchema = z
  .strictObject({
    valid: z.boolean(),
    checked: z.int().describe('Entries that were found in place and unchanged.'),
    firstBroken: z
      .strictObject({
        sequence: z.int(),
        id: z.uuid().nullable().describe('Null where there is no entry.'),
        reason: z.enum(BREAKS),
      })
      .nullable(),
    head: z
      .strictObject({ sequence: z.int(), hash: z.string() })
      .nullable()
      .describe('The end of the chain. Keep it elsewhere: it proves later that the log up to here was not rewritten.'),
  })
  .meta({ id: 'AuditVerification' })
export type AuditVerification = z.infer<typeof auditVerificationSchema>
export type ChainBreak = NonNullable<AuditVerification['firstBroken']>
export type ChainHead = NonNullable<AuditVerification['head']>

export function isActorType(actor: string): actor is ActorType {
  return (ACTOR_TYPES as readonly string[]).includes(actor)
}
