/**
 * Whose rows a transaction may touch. Row-level security reads these settings; an absent one matches nothing.
 * Deny by default: the empty scope sees no tenant's rows at all.
 */
export interface Scope {
  readonly tenantId?: string
  /** The signed-in user: own memberships in other tenants, own profile. */
  readonly userId?: string
  /** The e-mail address that somebody signs in with, before we know who it is. */
  readonly signInEmail?: string
  /** SHA-256 of a secret that was presented (API key, reset link, invitation), before we know whose it is. */
  readonly presentedHash?: Buffer
  /** A named cross-tenant purpose with a policy of its own, such as `runs.sweep`. */
  readonly purpose?: string
}

/** One statement, so that a scope costs one message on the wire; transaction-local, so that a pooled connection forgets it. */
export const SET_SCOPE = {
  name: 'set_scope',
  text: `SELECT set_config('app.current_tenant', $1, true), set_config('app.current_user', $2, true),
                set_config('app.sign_in_email', $3, true), set_config('app.purpose', $4, true),
                set_config('app.presented_hash', $5, true)`,
} as const

export function scopeValues(scope: Scope): string[] {
  return [
    scope.tenantId ?? '',
    scope.userId ?? '',
    scope.signInEmail ?? '',
    scope.purpose ?? '',
    scope.presentedHash?.toString('hex') ?? '',
  ]
}
