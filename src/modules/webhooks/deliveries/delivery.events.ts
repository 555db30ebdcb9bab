import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { DeliveryStatus } from './delivery-status.js'

/** Somebody has had a delivery made due at once. */
export class WebhookDeliveryRetried extends AuditedEvent {
  override readonly type = 'webhook_delivery.retried'
  readonly tenantId: string
  readonly audit: AuditFacts

  constructor({
    tenantId,
    id,
    webhookId,
    status,
  }: Record<'tenantId' | 'id' | 'webhookId', string> & { status: DeliveryStatus }) {
    super()
    this.tenantId = tenantId
    this.audit = {
      action: 'webhook_delivery_retried',
      resource: { type: 'webhook_delivery', id },
      before: { status },
      after: { status: 'pending', webhookId },
    }
  }
}
