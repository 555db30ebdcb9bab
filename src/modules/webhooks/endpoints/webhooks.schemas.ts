import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { EVENT_FILTERS, EVENT_TYPES, wordUnknown } from '../catalogue/event-types.js'

const MAX_URL_LENGTH = 2048
const MAX_DESCRIPTION_LENGTH = 500
/** More than there are types: none has to be counted. */
const MAX_EVENTS = 100
const MAX_PER_SECOND = 1000

const timestamp = z.iso.datetime({ precision: 3 })

const url = z
  .string()
  .max(MAX_URL_LENGTH)
  .regex(/^[^\s\p{Cc}\p{Cs}]*$/u, { error: 'must not contain blanks or control characters' })
  .describe('Where deliveries are posted to: https, without a user name, a password or a fragment.')

const events = z
  .array(z.enum(EVENT_FILTERS, { error: ({ input }) => wordUnknown(input, EVENT_FILTERS) }))
  .min(1)
  .max(MAX_EVENTS)
  .check(({ value, issues }) => {
    for (const [index, name] of value.entries()) {
      if (value.indexOf(name) === index) continue
      issues.push({ code: 'custom', input: name, path: [index], message: `${name} is there already.` })
    }
  })
  .describe('What to tell: types of events, `run.*` for all of a noun, `*` for everything that there is and will be.')

const description = z
  .string()
  .trim()
  .max(MAX_DESCRIPTION_LENGTH)
  .regex(/^\P{Cc}*$/u, { error: 'must not contain control characters' })
  .overwrite((text) => text.toWellFormed())

const maxPerSecond = z.int().min(1).max(MAX_PER_SECOND)

export const createWebhookSchema = z
  .strictObject({
    url,
    events,
    description: description.nullish(),
    active: z.boolean().default(true).describe('false: it is told nothing until it is switched on.'),
    maxPerSecond: maxPerSecond.nullish().describe('Deliveries a second, over all replicas. Absent: no limit.'),
  })
  .meta({ id: 'CreateWebhook' })
export type CreateWebhookCommand = z.infer<typeof createWebhookSchema>

export const changeWebhookSchema = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    description: description.nullish(),
    active: z
      .boolean()
      .optional()
      .describe('true: it is told again, what waits for it first, and its failures are forgotten.'),
    maxPerSecond: maxPerSecond.nullish().describe('null: no limit.'),
  })
  .meta({ id: 'ChangeWebhook' })
export type ChangeWebhookCommand = z.infer<typeof changeWebhookSchema>

const webhookShape = {
  id: z.uuid(),
  url: z.string(),
  description: z.string().nullable(),
  events: z.array(z.string()),
  active: z.boolean(),
  maxPerSecond: z.int().nullable(),
  disabledReason: z
    .enum(['gone', 'failing'])
    .nullable()
    .describe(
      'Why it was switched off by itself: `gone`: it answered 410; `failing`: it did nothing but fail for days.',
    ),
  disabledAt: timestamp.nullable(),
  health: z.strictObject({
    circuit: z.enum(['closed', 'open']).describe('open: it failed too often, and is left alone until `pausedUntil`.'),
    consecutiveFailures: z.int(),
    failingSince: timestamp.nullable().describe('Begin of the failures that no success has interrupted.'),
    lastSuccessAt: timestamp.nullable(),
    lastFailureAt: timestamp.nullable(),
    pausedUntil: timestamp.nullable().describe('Nothing is sent before: the circuit is open, or it said Retry-After.'),
  }),
  secrets: z
    .array(
      z.strictObject({
        id: z.uuid(),
        createdAt: timestamp,
        expiresAt: timestamp.nullable().describe('null: current.'),
      }),
    )
    .describe('Those that sign, the current one first; never the secrets themselves.'),
  createdAt: timestamp,
  updatedAt: timestamp,
}

export const webhookSchema = z.strictObject(webhookShape).meta({ id: 'Webhook' })
export type Webhook = z.infer<typeof webhookSchema>

export const webhookWithSecretSchema = z
  .strictObject({
    ...webhookShape,
    secret: z.string().describe('`whsec_` and the key in base64 (Standard Webhooks 1.0.0), shown this once.'),
  })
  .meta({ id: 'WebhookWithSecret' })
export type WebhookWithSecret = z.infer<typeof webhookWithSecretSchema>

export const webhookListQuerySchema = z.strictObject(pageQueryShape)
export type WebhookListQuery = z.infer<typeof webhookListQuerySchema>
export const webhookPageSchema = pageSchema(webhookSchema).meta({ id: 'WebhookPage' })

export const rotateSecretSchema = z
  .strictObject({
    revokePrevious: z
      .boolean()
      .default(false)
      .describe('true, for a secret that has leaked: those before sign no more, from now on.'),
  })
  .meta({ id: 'RotateWebhookSecret' })
  .optional()
export type RotateSecretCommand = z.infer<typeof rotateSecretSchema>

const typeNames = EVENT_TYPES.map(({ type }) => type)
export const testWebhookSchema = z
  .strictObject({
    type: z
      .enum(typeNames, { error: ({ input }) => wordUnknown(input, typeNames) })
      .optional()
      .describe('Whose example is sent. Absent: `webhook.test`.'),
  })
  .meta({ id: 'TestWebhook' })
  .optional()
export type TestWebhookCommand = z.infer<typeof testWebhookSchema>

export const sentTestSchema = z
  .strictObject({
    deliveryId: z.uuid(),
    messageId: z.string().describe('The `webhook-id` that it is sent under.'),
  })
  .meta({ id: 'SentWebhookTest' })
export type SentTest = z.infer<typeof sentTestSchema>

/** Where an endpoint is shown. */
export function addressOf({ id }: { readonly id: string }): string {
  return `/v1/webhooks/${id}`
}
