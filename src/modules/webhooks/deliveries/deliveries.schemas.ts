import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { DELIVERY_STATUSES } from './delivery-status.js'

/** The newest of a delivery's attempts that are shown; somebody may have had it retried any number of times. */
export const MAX_SHOWN_ATTEMPTS = 100
const MAX_EVENT_TYPE_LENGTH = 100
const EVENT_TYPE = /^[A-Za-z]+\.[A-Za-z_]+$/

const timestamp = z.iso.datetime({ precision: 3 })

/** All of a delivery but what can be large. */
const summaryShape = {
  id: z.uuid(),
  webhookId: z.uuid(),
  messageId: z.string().describe('The `webhook-id` header: the same in every attempt and every replay.'),
  eventType: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  attemptCount: z.int().describe('Attempts whose outcome is known.'),
  nextRetryAt: timestamp
    .nullable()
    .describe('When it is due; null: it is under way or finished. A webhook that is switched off is sent nothing.'),
  lastStatus: z.int().nullable().describe('HTTP status of the last attempt; null: none yet, or it had no answer.'),
  lastError: z.string().nullable().describe('Why the last attempt did not succeed.'),
  replayId: z.uuid().nullable().describe('The replay that made it; null: the event itself.'),
  createdAt: timestamp,
  finishedAt: timestamp.nullable(),
}

export const webhookDeliverySummarySchema = z.strictObject(summaryShape).meta({ id: 'WebhookDeliverySummary' })
export type WebhookDeliverySummary = z.infer<typeof webhookDeliverySummarySchema>

const attemptSchema = z.strictObject({
  number: z.int().describe('From 1.'),
  startedAt: timestamp,
  durationMs: z.int(),
  status: z.int().nullable().describe('HTTP status; null: there was no answer.'),
  headers: z.record(z.string(), z.string()).nullable().describe('Of the answer.'),
  body: z.string().nullable().describe('The first 4 KiB of the answer; null: it did not come in full.'),
  error: z.string().nullable().describe('Null: it succeeded, with a 2xx status and all of its answer.'),
})

export const webhookDeliverySchema = z
  .strictObject({
    ...summaryShape,
    url: z.string().describe('Where the webhook sends to now.'),
    body: z.string().describe('The exact text that is signed and sent.'),
    attempts: z.array(attemptSchema).describe(`In order; of more than ${MAX_SHOWN_ATTEMPTS}, the last.`),
  })
  .meta({ id: 'WebhookDelivery' })
export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>

export const deliveryListQuerySchema = z.strictObject({
  status: z.enum(DELIVERY_STATUSES).optional(),
  eventType: z
    .string()
    .max(MAX_EVENT_TYPE_LENGTH)
    .regex(EVENT_TYPE, { error: 'must be a type of event, e.g. run.completed' })
    .optional(),
  from: z.iso.datetime({ offset: true }).optional().describe('Created at or after.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Created before.'),
  ...pageQueryShape,
})
export type DeliveryListQuery = z.infer<typeof deliveryListQuerySchema>
export type DeliveryFilter = Omit<DeliveryListQuery, 'limit' | 'cursor'>
export const deliveryPageSchema = pageSchema(webhookDeliverySummarySchema).meta({ id: 'WebhookDeliveryPage' })
