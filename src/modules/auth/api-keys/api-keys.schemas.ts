import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { PERMISSIONS } from '#platform/http/principal.js'
import { nameSchema } from '../auth.schemas.js'

/** The last instant that a timestamp of four digits can name. */
const LATEST_EXPIRY_MS = Date.UTC(10_000, 0) - 1
const MAX_BUDGET_LENGTH = 32
const BUDGET_PATTERN = /^\d{1,12}(\.\d{1,12})?$/

const scopesSchema = z.array(z.enum(PERMISSIONS)).min(1).max(PERMISSIONS.length)
const timestamp = z.iso.datetime({ precision: 3 })

export const createApiKeySchema = z
  .strictObject({
    name: nameSchema,
    scopes: scopesSchema
      .optional()
      .describe('Permissions of the key, all of which you have. Absent: all that you have.'),
    expiresAt: z.iso
      .datetime({ offset: true })
      .refine((value) => !(Date.parse(value) > LATEST_EXPIRY_MS), { error: 'must not be after the year 9999' })
      .nullish()
      .describe('When the key ends, in the future. Absent: never.'),
    rateLimitPerMinute: z
      .int()
      .min(1)
      .nullish()
      .describe('Requests a minute, at most those of your role. Absent: those of your role.'),
    budgetUsd: z
      .string()
      .max(MAX_BUDGET_LENGTH)
      .regex(BUDGET_PATTERN, { error: 'must be a decimal string such as "0.50"' })
      .nullish()
      .describe('What runs of the key may cost in all; "0": none that costs anything. Absent: no limit.'),
  })
  .meta({ id: 'CreateApiKey' })
export type CreateApiKeyCommand = z.infer<typeof createApiKeySchema>

const apiKeyShape = {
  id: z.uuid(),
  name: z.string(),
  prefix: z.string().describe('The first characters of the key.'),
  scopes: z.array(z.enum(PERMISSIONS)).describe('The key can do these as far as its maker still can.'),
  rateLimitPerMinute: z.int().nullable().describe("Null: the limit of its maker's role."),
  budgetUsd: z.string().nullable().describe('Decimal string; null: no limit.'),
  userId: z.uuid().describe('Who made it, and for whom it acts.'),
  createdAt: timestamp,
  expiresAt: timestamp.nullable(),
  lastUsedAt: timestamp.nullable().describe('To the minute.'),
}

export const apiKeySchema = z.strictObject(apiKeyShape).meta({ id: 'ApiKey' })
export type ApiKey = z.infer<typeof apiKeySchema>

export const apiKeyDetailsSchema = z
  .strictObject({
    ...apiKeyShape,
    spentUsd: z.string().describe('What its runs have cost so far; runs of models without a price are not in it.'),
  })
  .meta({ id: 'ApiKeyDetails' })
export type ApiKeyDetails = z.infer<typeof apiKeyDetailsSchema>

export const createdApiKeySchema = z
  .strictObject({ ...apiKeyShape, key: z.string().describe('The key itself, shown this once.') })
  .meta({ id: 'CreatedApiKey' })
export type CreatedApiKey = z.infer<typeof createdApiKeySchema>

export const apiKeyListQuerySchema = z.strictObject(pageQueryShape)
export type ApiKeyListQuery = z.infer<typeof apiKeyListQuerySchema>
export const apiKeyPageSchema = pageSchema(apiKeySchema).meta({ id: 'ApiKeyPage' })

/** Where a key is shown. */
export function addressOf({ id }: { readonly id: string }): string {
  return `/v1/api-keys/${id}`
}
