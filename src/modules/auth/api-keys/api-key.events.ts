import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import { toApiKey } from './api-key-view.js'
import type { ApiKey } from './api-keys.schemas.js'

abstract class ApiKeyEvent extends AuditedEvent {
  readonly tenantId: string
  /** As its list shows it. */
  readonly key: ApiKey

  constructor(record: ApiKeyRecord) {
    super()
    this.tenantId = record.tenantId
    this.key = toApiKey(record)
  }

  protected get resource(): AuditFacts['resource'] {
    return { type: 'api_key', id: this.key.id }
  }

  protected get facts(): Record<string, unknown> {
    const { userId, name, scopes, expiresAt, rateLimitPerMinute, budgetUsd } = this.key
    return { userId, name, scopes, expiresAt, rateLimitPerMinute, budgetUsd }
  }
}

export class ApiKeyCreated extends ApiKeyEvent {
  override readonly type = 'api_key.created'
  readonly audit: AuditFacts = { action: 'authn_token_created', resource: this.resource, after: this.facts }
}

export class ApiKeyDeleted extends ApiKeyEvent {
  override readonly type = 'api_key.deleted'
  readonly audit: AuditFacts = { action: 'authn_token_delete', resource: this.resource, before: this.facts }
}
