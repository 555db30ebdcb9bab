import { z } from 'zod'

export const webhookEventListSchema = z
  .strictObject({
    data: z.array(
      z.strictObject({
        type: z.string(),
        description: z.string(),
        schema: z
          .record(z.string(), z.unknown())
          .describe('JSON Schema (2020-12) of the whole body. Bodies may get more fields than it names.'),
        example: z.record(z.string(), z.unknown()).describe('A whole body.'),
      }),
    ),
  })
  .meta({ id: 'WebhookEventList' })
export type WebhookEventList = z.infer<typeof webhookEventListSchema>
