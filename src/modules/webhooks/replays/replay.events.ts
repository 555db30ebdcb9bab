import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { WebhookReplay } from './replays.schemas.js'

/** Somebody has asked for deliveries of a window of time once more. */
export class WebhookReplayed extends AuditedEvent {
  override readonly type = 'webhook.replayed'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    { id, webhookId, since, until, status }: WebhookReplay,
  ) {
    super()
    this.audit = {
      action: 'webhook_replayed',
      resource: { type: 'webhook', id: webhookId },
      after: { replayId: id, since, until, status },
    }
  }
}
