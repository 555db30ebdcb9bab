import type { DisabledReason } from './disabled-reason.js'
import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'

const SYSTEM: Actor = { type: 'system', id: null }

/** An endpoint was switched off, and not by a person. */
export class WebhookDisabled extends AuditedEvent {
  override readonly type = 'webhook.disabled'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    readonly webhookId: string,
    readonly reason: DisabledReason,
  ) {
    super()
    this.audit = {
      action: 'webhook_disabled',
      actor: SYSTEM,
      resource: { type: 'webhook', id: webhookId },
      before: { active: true },
      after: { active: false, reason },
    }
  }
}
