import { type Actor, type AuditFacts, AuditedEvent } from '#platform/events/audited-event.js'

/** Something that happened to a user. `type` is `user.<what>`; `audit.action` the OWASP Logging Vocabulary's word. */
export abstract class UserEvent extends AuditedEvent {
  constructor(
    readonly tenantId: string,
    readonly userId: string,
  ) {
    super()
  }

  protected ofUser(action: string, facts: Partial<Pick<AuditFacts, 'actor' | 'before' | 'after'>> = {}): AuditFacts {
    return { action, resource: { type: 'user', id: this.userId }, ...facts }
  }

  /** The one who signs in is not the request's principal yet. */
  protected get himself(): Actor {
    return { type: 'user', id: this.userId }
  }
}

export class UserRegistered extends UserEvent {
  override readonly type = 'user.registered'
  readonly audit = this.ofUser('user_created', { actor: this.himself, after: { role: 'owner' } })
}

export class UserLoggedIn extends UserEvent {
  override readonly type = 'user.logged_in'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, sessionId: string) {
    super(tenantId, userId)
    this.audit = this.ofUser('authn_login_success', { actor: this.himself, after: { sessionId } })
  }
}

export class LoginFailed extends UserEvent {
  override readonly type = 'user.login_failed'
  readonly audit: AuditFacts

  /** @param reason why, where it was not a wrong password at a sign-in */
  constructor(tenantId: string, userId: string, reason?: string) {
    super(tenantId, userId)
    const actor = { type: 'anonymous', id: null } as const
    this.audit = this.ofUser('authn_login_fail', { actor, ...(reason !== undefined && { after: { reason } }) })
  }
}

/** A refresh token came a second time: it is in two hands, and its session is over. */
export class RefreshTokenReplayed extends UserEvent {
  override readonly type = 'user.refresh_token_replayed'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, sessionId: string) {
    super(tenantId, userId)
    this.audit = {
      action: 'authn_token_reuse',
      actor: { type: 'anonymous', id: null },
      resource: { type: 'session', id: sessionId },
    }
  }
}

export class SessionsEnded extends UserEvent {
  override readonly type = 'user.sessions_ended'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, sessionIds: readonly string[]) {
    super(tenantId, userId)
    this.audit = this.ofUser('authn_token_revoked', { after: { sessionIds } })
  }
}

export class PasswordChanged extends UserEvent {
  override readonly type = 'user.password_changed'
  readonly audit = this.ofUser('authn_password_change', { actor: this.himself })
}

/** By a reset link, which is told apart from a change that took the old password. */
export class PasswordWasReset extends UserEvent {
  override readonly type = 'user.password_reset'
  readonly audit = this.ofUser('authn_password_change', { actor: this.himself, after: { by: 'reset_link' } })
}

/** An admin had a reset link mailed to a member, or was handed it himself; or the server's operator made one. */
export class PasswordResetIssued extends UserEvent {
  override readonly type = 'user.password_reset_issued'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, delivery: 'mail' | 'link' | 'operator') {
    super(tenantId, userId)
    // Not `password…`: the log redacts what has such a name.
    this.audit = this.ofUser('authz_admin', { after: { resetDelivery: delivery } })
  }
}

/** The server's operator made a team, and a reset link for its owner. */
export class OwnerAppointed extends UserEvent {
  override readonly type = 'user.owner_appointed'
  readonly audit = this.ofUser('authz_admin', { after: { role: 'owner', resetDelivery: 'operator' } })
}

export class EmailVerified extends UserEvent {
  override readonly type = 'user.email_verified'
  readonly audit = this.ofUser('user_updated', { actor: this.himself, after: { emailVerified: true } })
}

export class UserRenamed extends UserEvent {
  override readonly type = 'user.renamed'
  readonly audit: AuditFacts

  constructor(tenantId: string, userId: string, names: { before: string | null; after: string | null }) {
    super(tenantId, userId)
    this.audit = this.ofUser('user_updated', { before: { name: names.before }, after: { name: names.after } })
  }
}

/** A request was refused that its principal had no permission for. */
export class AccessRefused extends AuditedEvent {
  readonly type = 'access.refused'
  readonly audit: AuditFacts

  constructor(
    readonly tenantId: string,
    permission: string,
    route: string,
  ) {
    super()
    this.audit = { action: 'authz_fail', resource: { type: 'permission', id: permission }, after: { route } }
  }
}

/** Too many failed sign-ins in a row: the next ones wait. */
export class AccountLocked extends UserEvent {
  override readonly type = 'user.locked'
  readonly audit = this.ofUser('authn_login_lock', { actor: { type: 'anonymous', id: null } })
}
