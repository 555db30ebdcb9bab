import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'

const webhookEventSchema = z.strictObject({
  type: z.string(),
  description: z.string(),
  schema: z
    .record(z.string(), z.unknown())
    .describe('JSON Schema (2020-12) of the whole body. Bodies may get more fields than it names.'),
  example: z.record(z.string(), z.unknown()).describe('A whole body.'),
})
export type WebhookEvent = z.infer<typeof webhookEventSchema>

export const webhookEventListSchema = pageSchema(webhookEventSchema).meta({ id: 'WebhookEventList' })

export const webhookEventListQuerySchema = z.strictObject(pageQueryShape)
export type WebhookEventListQuery = z.infer<typeof webhookEventListQuerySchema>
