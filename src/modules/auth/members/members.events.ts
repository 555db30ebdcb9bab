import type { Role } from '#platform/http/principal.js'
import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'

/** Something that happened to a user as a member of a tenant. */
abstract class MemberEvent extends AuditedEvent {
  constructor(
    readonly tenantId: string,
    readonly userId: string,
  ) {
    super()
  }

  protected ofMember(action: string, facts: Partial<Pick<AuditFacts, 'actor' | 'before' | 'after'>>): AuditFacts {
    return { action, resource: { type: 'user', id: this.userId }, ...facts }
  }

  protected get himself(): Actor {
    return { type: 'user', id: this.userId }
  }
}

export class MemberJoined extends MemberEvent {
  override readonly type = 'member.joined'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, role: Role) {
    super(tenantId, userId)
    this.audit = this.ofMember('user_created', { actor: this.himself, after: { role } })
  }
}

export class MemberRoleChanged extends MemberEvent {
  override readonly type = 'member.role_changed'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, roles: { before: Role; after: Role }) {
    super(tenantId, userId)
    // A change of what a user is entitled to; `privilege_permissions_changed` is the word for a change of an object's.
    this.audit = this.ofMember('authz_change', { before: { role: roles.before }, after: { role: roles.after } })
  }
}

export class MemberSuspended extends MemberEvent {
  override readonly type = 'member.suspended'
  readonly audit = this.ofMember('user_updated', { before: { disabled: false }, after: { disabled: true } })
}

export class MemberReinstated extends MemberEvent {
  override readonly type = 'member.reinstated'
  readonly audit = this.ofMember('user_updated', { before: { disabled: true }, after: { disabled: false } })
}

/** Removed, or gone of his own will: the actor tells which. */
export class MemberRemoved extends MemberEvent {
  override readonly type = 'member.removed'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, role: Role) {
    super(tenantId, userId)
    this.audit = this.ofMember('user_deleted', { before: { role } })
  }
}
