import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { AgentKey } from '../agents.repository.js'

/** Instructions and the rest are in the version itself, which never changes: the log names what is new in it. */
export class AgentCreated extends AuditedEvent {
  override readonly type = 'agent.created'
  override readonly tenantId: string
  readonly audit: AuditFacts

  constructor({ tenantId, slug }: AgentKey, { version, name }: { version: number; name: string }) {
    super()
    this.tenantId = tenantId
    this.audit = { action: 'agent_created', resource: { type: 'agent', id: slug }, after: { version, name } }
  }
}

export class AgentPublished extends AuditedEvent {
  override readonly type = 'agent.published'
  override readonly tenantId: string
  readonly audit: AuditFacts

  constructor({ tenantId, slug }: AgentKey, change: { from: number; to: number; changedFields: readonly string[] }) {
    super()
    this.tenantId = tenantId
    this.audit = {
      action: 'agent_published',
      resource: { type: 'agent', id: slug },
      before: { version: change.from },
      after: { version: change.to, changedFields: change.changedFields },
    }
  }
}

export class AgentDeleted extends AuditedEvent {
  override readonly type = 'agent.deleted'
  override readonly tenantId: string
  readonly audit: AuditFacts

  constructor({ tenantId, slug }: AgentKey, { version }: { version: number }) {
    super()
    this.tenantId = tenantId
    this.audit = { action: 'agent_deleted', resource: { type: 'agent', id: slug }, before: { version } }
  }
}
