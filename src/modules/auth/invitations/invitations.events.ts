import { type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'
import type { Role } from '#platform/http/principal.js'

/** Something that happened to an invitation. OWASP's vocabulary has no words for these. */
abstract class InvitationEvent extends AuditedEvent {
  constructor(
    readonly tenantId: string,
    protected readonly invitationId: string,
  ) {
    super()
  }

  protected get resource(): AuditFacts['resource'] {
    return { type: 'invitation', id: this.invitationId }
  }
}

export class InvitationCreated extends InvitationEvent {
  override readonly type = 'invitation.created'
  readonly audit: AuditFacts

  constructor(tenantId: string, invitationId: string, facts: { email: string; role: Role; expiresAt: Date }) {
    super(tenantId, invitationId)
    const after = { ...facts, expiresAt: facts.expiresAt.toISOString() }
    this.audit = { action: 'invitation_created', resource: this.resource, after }
  }
}

/** Taken back, replaced by another to the same address, or without the one who could stand for it. */
export class InvitationRevoked extends InvitationEvent {
  override readonly type = 'invitation.revoked'
  readonly audit: AuditFacts

  constructor(tenantId: string, invitationId: string, email: string) {
    super(tenantId, invitationId)
    this.audit = { action: 'invitation_revoked', resource: this.resource, before: { email } }
  }
}

export class InvitationAccepted extends InvitationEvent {
  override readonly type = 'invitation.accepted'
  readonly audit: AuditFacts

  constructor(tenantId: string, invitationId: string, facts: { userId: string; email: string; role: Role }) {
    super(tenantId, invitationId)
    const actor = { type: 'user', id: facts.userId } as const
    this.audit = { action: 'invitation_accepted', resource: this.resource, actor, after: facts }
  }
}
