import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { DELIVERY_STATUSES } from '../deliveries/delivery-status.js'

const timestamp = z.iso.datetime({ precision: 3 })

export const webhookReplaySchema = z
  .strictObject({
    id: z.uuid(),
    webhookId: z.uuid(),
    since: timestamp,
    until: timestamp,
    status: z
      .enum(DELIVERY_STATUSES)
      .nullable()
      .describe('Only deliveries that stand so when it comes to them; null: all.'),
    replayed: z.int().describe('Messages that it has made due so far.'),
    state: z.enum(['running', 'finished']),
    createdAt: timestamp,
    finishedAt: timestamp.nullable(),
  })
  .meta({ id: 'WebhookReplay' })
export type WebhookReplay = z.infer<typeof webhookReplaySchema>

export const replayWebhookSchema = z
  .strictObject({
    since: z.iso.datetime({ offset: true }).describe('Of deliveries created at or after.'),
    until: z.iso.datetime({ offset: true }).optional().describe('And before; not after now, which is the default.'),
    status: z.enum(DELIVERY_STATUSES).optional().describe('Only of deliveries that stand so.'),
    dryRun: z.boolean().optional().describe('Only count what would be sent again.'),
  })
  .meta({ id: 'ReplayWebhook' })
export type ReplayWebhookCommand = z.infer<typeof replayWebhookSchema>

export const replayCountSchema = z
  .strictObject({ count: z.int().describe('Messages that a replay would send again.') })
  .meta({ id: 'WebhookReplayCount' })
export type ReplayCount = z.infer<typeof replayCountSchema>

export const replayListQuerySchema = z.strictObject(pageQueryShape)
export type ReplayListQuery = z.infer<typeof replayListQuerySchema>
export const replayPageSchema = pageSchema(webhookReplaySchema).meta({ id: 'WebhookReplayPage' })
