import type { Role } from '#platform/http/principal.js'
import type { AuditFacts } from '#platform/events/audited-event.js'
import { UserEvent } from '../auth.events.js'

export class MemberJoined extends UserEvent {
  override readonly type = 'member.joined'
  readonly audit: AuditFacts

  constructor(
    tenantId: string,
    userId: string,
    readonly role: Role,
  ) {
    super(tenantId, userId)
    this.audit = this.ofUser('user_created', { actor: this.himself, after: { role } })
  }
}

export class MemberRoleChanged extends UserEvent {
  override readonly type = 'member.role_changed'
  readonly audit: AuditFacts

  constructor(
    tenantId: string,
    userId: string,
    readonly roles: { before: Role; after: Role },
  ) {
    super(tenantId, userId)
    // A change of what a user is entitled to; `privilege_permissions_changed` is the word for a change of an object's.
    this.audit = this.ofUser('authz_change', { before: { role: roles.before }, after: { role: roles.after } })
  }
}

export class MemberSuspended extends UserEvent {
  override readonly type = 'member.suspended'
  readonly audit = this.ofUser('user_updated', { before: { disabled: false }, after: { disabled: true } })
}

export class MemberReinstated extends UserEvent {
  override readonly type = 'member.reinstated'
  readonly audit = this.ofUser('user_updated', { before: { disabled: true }, after: { disabled: false } })
}

/** Removed, or gone of his own will: the actor tells which. */
export class MemberRemoved extends UserEvent {
  override readonly type = 'member.removed'
  readonly audit: AuditFacts

  constructor(
    tenantId: string,
    userId: string,
    readonly role: Role,
  ) {
    super(tenantId, userId)
    this.audit = this.ofUser('user_deleted', { before: { role } })
  }
}
