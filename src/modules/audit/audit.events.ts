import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { AuditFilter } from './audit-log.schemas.js'

/** Somebody has taken the audit log, or what he filtered it for, out of the house. */
export class AuditLogExported extends AuditedEvent {
  readonly type = 'audit_log.exported'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    format: string,
    { q, ...filter }: AuditFilter,
  ) {
    super()
    // Words that somebody looks for may be a person's, and what is written here stays.
    const after = { ...filter, ...(q !== undefined && { q: '[not kept]' }) }
    this.audit = { action: 'sensitive_read', resource: { type: 'audit_log', id: format }, after }
  }
}
