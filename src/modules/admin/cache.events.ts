import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { CacheScope } from './cache-admin.schemas.js'

/** An administrator has emptied caches of his tenant. */
export class CacheCleared extends AuditedEvent {
  readonly type = 'cache.cleared'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    scope: CacheScope,
  ) {
    super()
    this.audit = { action: 'cache_cleared', resource: { type: 'cache', id: scope } }
  }
}
