import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import { toApiKey } from './api-key-view.js'

const CREATED = 'authn_token_created'
const DELETED = 'authn_token_delete'

export class ApiKeyCreated extends AuditedEvent {
  override readonly type = 'api_key.created'
  override readonly tenantId: string
  readonly audit: AuditFacts

  constructor(key: ApiKeyRecord) {
    super()
    this.tenantId = key.tenantId
    this.audit = { action: CREATED, resource: { type: 'api_key', id: key.id }, after: factsOf(key) }
  }
}

export class ApiKeyDeleted extends AuditedEvent {
  override readonly type = 'api_key.deleted'
  override readonly tenantId: string
  readonly audit: AuditFacts

  constructor(key: ApiKeyRecord) {
    super()
    this.tenantId = key.tenantId
    this.audit = { action: DELETED, resource: { type: 'api_key', id: key.id }, before: factsOf(key) }
  }
}

function factsOf(key: ApiKeyRecord): Record<string, unknown> {
  const { userId, name, scopes, expiresAt, rateLimitPerMinute, budgetUsd } = toApiKey(key)
  return { userId, name, scopes, expiresAt, rateLimitPerMinute, budgetUsd }
}
