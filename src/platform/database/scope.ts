import type { Statement } from './statement.js'

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

/** How long the server lets a transaction run on, wait for others, or stand still. */
export interface TransactionLimits {
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly idleTimeoutMs: number
}

/**
 * What a transaction begins with. One statement, so that a scope costs one message on the wire; transaction-local, so that
 * a pooled connection forgets it. The time limits go with it and not with the connection: a pooler in transaction mode
 * refuses them as start-up parameters, or drops them without a word.
 */
export function scopeStatement(scope: Scope, limits: TransactionLimits): Statement {
  return {
    name: 'set_scope',
    text: `SELECT set_config('app.current_tenant', $1, true), set_config('app.current_user', $2, true),
                  set_config('app.sign_in_email', $3, true), set_config('app.purpose', $4, true),
                  set_config('app.presented_hash', $5, true), set_config('statement_timeout', $6, true),
                  set_config('lock_timeout', $7, true), set_config('idle_in_transaction_session_timeout', $8, true)`,
    values: [
      ...valuesOf(scope),
      String(limits.statementTimeoutMs),
      String(limits.lockTimeoutMs),
      String(limits.idleTimeoutMs),
    ],
  }
}

/** What a transaction goes on with in another scope, within the limits that it has. */
export function rescopeStatement(scope: Scope): Statement {
  return {
    name: 'rescope',
    text: `SELECT set_config('app.current_tenant', $1, true), set_config('app.current_user', $2, true),
                  set_config('app.sign_in_email', $3, true), set_config('app.purpose', $4, true),
                  set_config('app.presented_hash', $5, true)`,
    values: valuesOf(scope),
  }
}

function valuesOf({ tenantId = '', userId = '', signInEmail = '', purpose = '', presentedHash }: Scope): string[] {
  return [tenantId, userId, signInEmail, purpose, presentedHash?.toString('hex') ?? '']
}
