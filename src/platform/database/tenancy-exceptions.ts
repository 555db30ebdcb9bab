/**
 * Indexes of tenant tables that do not begin with `tenant_id`, each with its reason. A unique one tells that a value is
 * taken by somebody: only hashes of random secrets may be that.
 */
export const INDEX_EXCEPTIONS: Readonly<Record<string, string>> = {
  api_keys_hash_key: 'a key is presented before we know whose it is',
  idx_audit_log_fts: 'GIN has no order to begin with; the policies filter what it finds',
  idx_idempotency_keys_expiry: 'the sweep looks over all tenants',
  idx_invitations_expiry: 'the sweep looks over all tenants',
  idx_memberships_user: 'a user has his tenants listed before he has chosen one',
  idx_refresh_tokens_used: 'the sweep looks over all tenants',
  idx_runs_created_status: 'the sweep looks over all tenants',
  idx_sessions_expiry: 'the sweep looks over all tenants',
  idx_sessions_user: 'a user ends his sessions in all of his tenants',
  invitations_token_key: 'an invitation is presented before its tenant is known',
}

/** Policies of tenant tables that open them by something else than the tenant at hand, each with its reason. */
export const POLICY_EXCEPTIONS: Readonly<Record<string, string>> = {
  api_keys_presented: 'the one row whose key was presented',
  idempotency_keys_sweep: 'expired rows of all tenants are removed',
  idempotency_keys_sweep_read: 'expired rows of all tenants are found',
  invitations_presented: 'the one row whose link was presented',
  invitations_sweep: 'rows of all tenants that are long over are removed',
  invitations_sweep_read: 'rows of all tenants that are long over are found',
  memberships_self: 'a user sees which tenants he belongs to',
  refresh_tokens_sweep: 'tokens of all tenants that were spent long ago are removed',
  refresh_tokens_sweep_read: 'tokens of all tenants that were spent long ago are found',
  runs_sweep: 'unfinished runs of all tenants are found',
  sessions_self_end: 'a user ends his own sessions in all of his tenants',
  sessions_self_read: 'a user sees his own sessions in all of his tenants',
  sessions_sweep: 'expired rows of all tenants are removed',
  sessions_sweep_read: 'expired rows of all tenants are found',
  tenants_member: 'a user sees what the tenants are called that he belongs to',
}
