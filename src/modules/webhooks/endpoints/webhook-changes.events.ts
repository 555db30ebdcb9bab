import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { WebhookRecord } from './webhook.js'

abstract class WebhookEvent extends AuditedEvent {
  readonly tenantId: string
  readonly webhookId: string
  abstract override readonly audit: AuditFacts

  constructor({ tenantId, id }: WebhookRecord) {
    super()
    this.tenantId = tenantId
    this.webhookId = id
  }

  protected get resource(): AuditFacts['resource'] {
    return { type: 'webhook', id: this.webhookId }
  }
}

export class WebhookCreated extends WebhookEvent {
  override readonly type = 'webhook.created'
  readonly audit: AuditFacts

  constructor(webhook: WebhookRecord) {
    super(webhook)
    this.audit = { action: 'webhook_created', resource: this.resource, after: factsOf(webhook) }
  }
}

export class WebhookChanged extends WebhookEvent {
  override readonly type = 'webhook.changed'
  readonly audit: AuditFacts

  constructor(before: WebhookRecord, after: WebhookRecord) {
    super(after)
    this.audit = {
      action: 'webhook_changed',
      resource: this.resource,
      before: factsOf(before),
      // What differs in the query alone would look like no change.
      after: { ...factsOf(after), isUrlNew: before.url !== after.url },
    }
  }
}

export class WebhookDeleted extends WebhookEvent {
  override readonly type = 'webhook.deleted'
  readonly audit: AuditFacts

  constructor(webhook: WebhookRecord) {
    super(webhook)
    this.audit = { action: 'webhook_deleted', resource: this.resource, before: factsOf(webhook) }
  }
}

export class WebhookSecretRotated extends WebhookEvent {
  override readonly type = 'webhook.secret_rotated'
  readonly audit: AuditFacts

  constructor(webhook: WebhookRecord, { arePreviousRevoked }: { arePreviousRevoked: boolean }) {
    super(webhook)
    this.audit = { action: 'webhook_secret_rotated', resource: this.resource, after: { arePreviousRevoked } }
  }
}

function factsOf({ url, description, events, isActive, maxPerSecond, disabledReason }: WebhookRecord) {
  return { url: withoutQuery(url), description, events, active: isActive, maxPerSecond, disabledReason }
}

/** Receivers are often told who calls by a token in the query. */
function withoutQuery(text: string): string {
  const { origin, pathname } = new URL(text)
  return origin + pathname
}
