import { JOBS_SCHEMA } from '../jobs/jobs-schema.js'

/**
 * What the role that serves may do with each table, and no more. `UPDATE (name)` is for that column alone. A grant to
 * PUBLIC, or one that comes by membership, counts as its own.
 */
export const TABLE_GRANTS: Readonly<Record<string, readonly string[]>> = {
  agent_versions: ['SELECT', 'INSERT'],
  agents: ['SELECT', 'INSERT', 'UPDATE'],
  api_keys: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  approval_policies: ['SELECT', 'INSERT', 'UPDATE'],
  approvals: ['SELECT', 'INSERT', 'UPDATE'],
  audit_chain_heads: ['SELECT', 'INSERT', 'UPDATE'],
  audit_log: ['SELECT', 'INSERT'],
  audit_search: ['SELECT', 'INSERT'],
  cost_tracking: ['SELECT', 'INSERT'],
  credentials: ['SELECT', 'INSERT', 'UPDATE'],
  csp_reports: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  idempotency_keys: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  invitations: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  kept_answers: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  login_attempts: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  mcp_servers: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  memberships: ['SELECT', 'INSERT', 'UPDATE (disabled_at)', 'UPDATE (role)', 'DELETE'],
  one_time_tokens: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  pending_registrations: ['SELECT', 'INSERT', 'DELETE'],
  projects: ['SELECT', 'INSERT'],
  rate_limit_windows: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  refresh_tokens: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  run_events: ['SELECT', 'INSERT'],
  run_steps: ['SELECT', 'INSERT', 'UPDATE'],
  runs: ['SELECT', 'INSERT', 'UPDATE'],
  schedule_policies: ['SELECT', 'INSERT', 'UPDATE'],
  scheduled_tasks: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  scheduler_watch: ['SELECT', 'UPDATE'],
  sessions: [
    'SELECT',
    'INSERT',
    'UPDATE (address)',
    'UPDATE (expires_at)',
    'UPDATE (last_used_at)',
    'UPDATE (revoked_at)',
    'UPDATE (user_agent)',
    'DELETE',
  ],
  task_executions: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  tenants: ['SELECT', 'INSERT', 'UPDATE (name)'],
  users: ['SELECT', 'INSERT', 'UPDATE (email_verified_at)', 'UPDATE (name)', 'UPDATE (updated_at)'],
  webhook_attempts: ['SELECT', 'INSERT'],
  webhook_deliveries: ['SELECT', 'INSERT', 'UPDATE'],
  webhook_health: ['SELECT', 'INSERT', 'UPDATE'],
  webhook_messages: ['SELECT', 'INSERT', 'DELETE'],
  webhook_replays: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  webhook_secrets: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  webhook_subscriptions: ['SELECT', 'INSERT', 'DELETE'],
  webhooks: ['SELECT', 'INSERT', 'UPDATE'],
}

/** Schemas that the role that serves may use. What others hold is held to nothing, so there must be no others. */
export const SCHEMAS_IN_USE: readonly string[] = ['public', JOBS_SCHEMA]

/** Tables that a trigger, `<table>_append_only`, keeps from being changed by whoever may. */
export const APPEND_ONLY_TABLES: readonly string[] = ['audit_log', 'audit_search']
