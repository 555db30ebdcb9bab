/**
 * Indexes of tenant tables that do not begin with `tenant_id`, each with its reason. A unique one tells that a value is
 * taken by somebody: only hashes of random secrets may be that.
 */
export const INDEX_EXCEPTIONS: Readonly<Record<string, string>> = {
  api_keys_hash_key: 'a key is presented before we know whose it is',
  idx_approvals_expiry: 'the sweep looks over all tenants',
  idx_audit_log_fts: 'GIN has no order to begin with; the policies filter what it finds',
  idx_budget_reservations_age: 'the sweep looks over all tenants',
  idx_idempotency_keys_expiry: 'the sweep looks over all tenants',
  idx_invitations_expiry: 'the sweep looks over all tenants',
  idx_kept_answers_expiry: 'the sweep looks over all tenants',
  idx_memberships_user: 'a user has his tenants listed before he has chosen one',
  idx_refresh_tokens_used: 'the sweep looks over all tenants',
  idx_runs_created_status: 'the sweep looks over all tenants',
  idx_scheduled_tasks_ready_to_run: 'the ticker looks over all tenants',
  idx_scheduled_tasks_tz_version: 'the sweep looks over all tenants',
  idx_sessions_expiry: 'the sweep looks over all tenants',
  idx_task_executions_age: 'the sweep looks over all tenants',
  idx_webhook_messages_age: 'the sweep looks over all tenants',
  idx_webhooks_events_gin: 'GIN has no order to begin with; each key begins with the tenant',
  idx_sessions_user: 'a user ends his sessions in all of his tenants',
  invitations_token_key: 'an invitation is presented before its tenant is known',
}

/** A policy as the check prints it, PostgreSQL 15 to 18 alike, and its reason. */
export interface PinnedPolicy {
  readonly is: string
  readonly why: string
}

/**
 * Every policy that is not plainly `tenant_id = app_tenant()`, word by word: under a name that is known another expression
 * would open as much as under a new one. A restrictive one must be there, since it is its absence that opens.
 */
export const POLICY_EXCEPTIONS: Readonly<Record<string, PinnedPolicy>> = {
  api_keys_presented: {
    is: 'api_keys SELECT USING (key_hash = app_presented_hash())',
    why: 'the one row whose key was presented',
  },
  approvals_sweep: {
    is: "approvals SELECT USING CASE WHEN (app_purpose() = 'approvals.sweep'::text) THEN ((status = 'pending'::text) AND (expires_at < now())) ELSE false END",
    why: 'approvals of all tenants that nobody decided in time are found',
  },
  audit_search_match: {
    is: 'audit_search RESTRICTIVE SELECT USING (search @@ app_audit_query())',
    why: 'only entries that the search asks for; restrictive, it opens nothing',
  },
  budget_alerts_announcing: {
    is: "budget_alerts SELECT USING CASE WHEN (app_purpose() = 'budgets.alerts'::text) THEN (announced_at IS NULL) ELSE false END",
    why: 'alerts of all tenants that are to be announced are found',
  },
  budget_reservations_sweep: {
    is: "budget_reservations SELECT USING CASE WHEN (app_purpose() = 'budgets.sweep'::text) THEN (created_at < (now() - '00:00:05'::interval)) ELSE false END",
    why: 'reservations of all tenants whose runs may be lost are found',
  },
  cost_tail_rollup: {
    is: "cost_tail SELECT USING CASE WHEN (app_purpose() = 'costs.rollup'::text) THEN (created_at < now()) ELSE false END",
    why: 'tenants that have entries to be summed up are found',
  },
  credentials_self: {
    is: 'credentials ALL USING (user_id = app_user()) WITH CHECK (user_id = app_user())',
    why: 'a user changes his own password',
  },
  credentials_sign_in: {
    is: "credentials SELECT USING (EXISTS ( SELECT 1 FROM users u WHERE ((u.id = credentials.user_id) AND (u.email = NULLIF(current_setting('app.sign_in_email'::text, true), ''::text)))))",
    why: 'a sign-in names an address, and is compared with its hash alone',
  },
  csp_reports_collecting: {
    is: "csp_reports ALL USING (app_purpose() = 'csp-reports'::text) WITH CHECK (app_purpose() = 'csp-reports'::text)",
    why: 'browsers report, whoever uses them',
  },
  idempotency_keys_sweep: {
    is: "idempotency_keys DELETE USING ((app_purpose() = 'idempotency.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are removed',
  },
  idempotency_keys_sweep_read: {
    is: "idempotency_keys SELECT USING ((app_purpose() = 'idempotency.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are found',
  },
  invitations_presented: {
    is: 'invitations SELECT USING (token_hash = app_presented_hash())',
    why: 'the one row whose link was presented',
  },
  invitations_sweep: {
    is: "invitations DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < (now() - '30 days'::interval)))",
    why: 'rows of all tenants that are long over are removed',
  },
  invitations_sweep_read: {
    is: "invitations SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < (now() - '30 days'::interval)))",
    why: 'rows of all tenants that are long over are found',
  },
  kept_answers_sweep: {
    is: "kept_answers DELETE USING ((app_purpose() = 'kept-answers.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are removed',
  },
  kept_answers_sweep_read: {
    is: "kept_answers SELECT USING ((app_purpose() = 'kept-answers.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are found',
  },
  login_attempts_presented: {
    is: 'login_attempts ALL USING (email_hash = app_presented_hash()) WITH CHECK (email_hash = app_presented_hash())',
    why: 'the one row of the address that was presented',
  },
  login_attempts_sweep: {
    is: "login_attempts DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (last_failed_at < (now() - '1 day'::interval)))",
    why: 'attempts of long ago are removed',
  },
  login_attempts_sweep_read: {
    is: "login_attempts SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (last_failed_at < (now() - '1 day'::interval)))",
    why: 'attempts of long ago are found',
  },
  memberships_self: {
    is: 'memberships SELECT USING (user_id = app_user())',
    why: 'a user sees which tenants he belongs to',
  },
  one_time_tokens_presented: {
    is: 'one_time_tokens SELECT USING (token_hash = app_presented_hash())',
    why: 'the one row whose link was presented',
  },
  one_time_tokens_self: {
    is: 'one_time_tokens ALL USING (user_id = app_user()) WITH CHECK (user_id = app_user())',
    why: 'links are made and spent as the user that they are for',
  },
  one_time_tokens_sweep: {
    is: "one_time_tokens DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows are removed',
  },
  one_time_tokens_sweep_read: {
    is: "one_time_tokens SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows are found',
  },
  pending_registrations_address: {
    is: 'pending_registrations ALL USING (email_hash = app_presented_hash()) WITH CHECK (email_hash = app_presented_hash())',
    why: 'the registrations of the address that was presented',
  },
  pending_registrations_presented: {
    is: 'pending_registrations SELECT USING (token_hash = app_presented_hash())',
    why: 'the one row whose link was presented',
  },
  pending_registrations_sweep: {
    is: "pending_registrations DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows are removed',
  },
  pending_registrations_sweep_read: {
    is: "pending_registrations SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows are found',
  },
  rate_limit_windows_counting: {
    is: "rate_limit_windows ALL USING (app_purpose() = 'rate-limits'::text) WITH CHECK (app_purpose() = 'rate-limits'::text)",
    why: 'requests are counted before we know whose they are',
  },
  refresh_tokens_sweep: {
    is: "refresh_tokens DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (used_at < (now() - '30 days'::interval)))",
    why: 'tokens of all tenants that were spent long ago are removed',
  },
  refresh_tokens_sweep_read: {
    is: "refresh_tokens SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (used_at < (now() - '30 days'::interval)))",
    why: 'tokens of all tenants that were spent long ago are found',
  },
  runs_sweep: {
    is: "runs SELECT USING CASE WHEN (app_purpose() = 'runs.sweep'::text) THEN (status = ANY (ARRAY['pending'::text, 'running'::text])) ELSE false END",
    why: 'unfinished runs of all tenants are found',
  },
  scheduled_tasks_dispatch: {
    is: "scheduled_tasks SELECT USING CASE WHEN (app_purpose() = 'scheduler.dispatch'::text) THEN ((next_run_at IS NOT NULL) OR is_woken) ELSE false END",
    why: 'schedules of all tenants that have something to do are found',
  },
  scheduler_watch_keeping: {
    is: "scheduler_watch ALL USING (app_purpose() = 'scheduler.watch'::text) WITH CHECK (app_purpose() = 'scheduler.watch'::text)",
    why: 'every replica says that it is there',
  },
  sessions_self_end: {
    is: 'sessions UPDATE USING (user_id = app_user()) WITH CHECK (user_id = app_user())',
    why: 'a user ends his own sessions in all of his tenants',
  },
  sessions_self_read: {
    is: 'sessions SELECT USING (user_id = app_user())',
    why: 'a user sees his own sessions in all of his tenants',
  },
  sessions_sweep: {
    is: "sessions DELETE USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are removed',
  },
  sessions_sweep_read: {
    is: "sessions SELECT USING ((app_purpose() = 'auth.sweep'::text) AND (expires_at < now()))",
    why: 'expired rows of all tenants are found',
  },
  tenants_member: {
    is: 'tenants SELECT USING (EXISTS ( SELECT 1 FROM memberships m WHERE ((m.tenant_id = tenants.id) AND (m.user_id = app_user()) AND (m.disabled_at IS NULL))))',
    why: 'a user sees what the tenants are called that he belongs to',
  },
  tenants_own: {
    is: 'tenants ALL USING (id = app_tenant()) WITH CHECK (id = app_tenant())',
    why: 'the tenant at hand itself',
  },
  task_executions_dispatch: {
    is: "task_executions SELECT USING CASE WHEN (app_purpose() = 'scheduler.dispatch'::text) THEN is_uncounted ELSE false END",
    why: 'ends of scheduled runs of all tenants that are to be taken note of are found',
  },
  task_executions_retention: {
    is: "task_executions DELETE USING CASE WHEN (app_purpose() = 'scheduler.retention'::text) THEN ((created_at < (now() - '1 day'::interval)) AND (finished_at IS NOT NULL)) ELSE false END",
    why: 'executions of all tenants that are over for long are removed',
  },
  task_executions_retention_read: {
    is: "task_executions SELECT USING CASE WHEN (app_purpose() = 'scheduler.retention'::text) THEN ((created_at < (now() - '1 day'::interval)) AND (finished_at IS NOT NULL)) ELSE false END",
    why: 'executions of all tenants that are over for long are found',
  },
  webhook_deliveries_dispatch: {
    is: "webhook_deliveries SELECT USING CASE WHEN (app_purpose() = 'webhooks.dispatch'::text) THEN (next_retry_at IS NOT NULL) ELSE false END",
    why: 'deliveries of all tenants that are due are found',
  },
  webhook_messages_retention: {
    is: "webhook_messages DELETE USING CASE WHEN (app_purpose() = 'webhooks.retention'::text) THEN (created_at < (now() - '1 day'::interval)) ELSE false END",
    why: 'old messages of all tenants are removed',
  },
  webhook_messages_retention_read: {
    is: "webhook_messages SELECT USING CASE WHEN (app_purpose() = 'webhooks.retention'::text) THEN (created_at < (now() - '1 day'::interval)) ELSE false END",
    why: 'old messages of all tenants are found',
  },
  webhook_replays_open: {
    is: "webhook_replays SELECT USING CASE WHEN (app_purpose() = 'webhooks.replay'::text) THEN (finished_at IS NULL) ELSE false END",
    why: 'replays of all tenants that are not done are found',
  },
  webhook_subscriptions_match: {
    is: 'webhook_subscriptions RESTRICTIVE SELECT USING (event_keys && app_event_keys())',
    why: 'only endpoints that want the event at hand; restrictive, it opens nothing',
  },
  users_colleagues: {
    is: 'users SELECT USING (EXISTS ( SELECT 1 FROM memberships m WHERE ((m.tenant_id = app_tenant()) AND (m.user_id = users.id))))',
    why: 'people of the tenant at hand see each other',
  },
  users_self: {
    is: 'users ALL USING (id = app_user()) WITH CHECK (id = app_user())',
    why: 'a user sees and changes himself',
  },
  users_sign_in: {
    is: "users SELECT USING (email = NULLIF(current_setting('app.sign_in_email'::text, true), ''::text))",
    why: 'a sign-in names an address',
  },
}

/** Tables that have no `tenant_id`, each with its reason. */
export const TABLES_WITHOUT_TENANT: Readonly<Record<string, string>> = {
  credentials: 'a user has one password in all of his tenants',
  csp_reports: 'a browser reports without saying who uses it',
  login_attempts: 'counted by address, whether or not anybody has it',
  one_time_tokens: "a link is its user's",
  pending_registrations: "a registration is nobody's before its link is opened",
  rate_limit_windows: 'counted before we know whose a request is',
  scheduler_watch: 'whether anybody was there is one for all',
  tenants: 'its id is the tenant',
  users: 'a user may belong to several tenants',
}
