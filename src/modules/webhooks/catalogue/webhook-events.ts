import { z } from 'zod'
import { DISABLED_REASONS } from '../disabled-reason.js'
import { WebhookDisabled } from '../webhook.events.js'
import { type PublicEvent, publicEvent } from './public-event.js'

const disabledSchema = z.strictObject({
  webhookId: z.uuid(),
  reason: z
    .enum(DISABLED_REASONS)
    .meta({ description: 'gone: it answered 410; failing: nothing but failure for days' }),
})

export const WEBHOOK_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'webhook.disabled',
    description:
      'An endpoint was switched off, since its receiver is gone or does nothing but fail. The others are told.',
    schema: disabledSchema,
    example: { webhookId: '0199f1d3-7b2e-7f48-93aa-c0d1e2f3a4b5', reason: 'failing' },
    eventClass: WebhookDisabled,
    select: ({ webhookId, reason }: WebhookDisabled) => ({ webhookId, reason }),
  }),
]
