import { createHash, randomBytes } from 'node:crypto'
import { newId } from '#kernel/ids.js'
import type { Scope } from '#platform/database/scope.js'

export type Row = Readonly<Record<string, unknown>>

/** A user in a tenant, with one row in every table. */
export interface World {
  readonly tenantId: string
  readonly userId: string
  readonly email: string
  /** Of everything in this world that is kept as a hash. */
  readonly hash: Buffer
  readonly projectId: string
  readonly sessionId: string
  readonly runId: string
  readonly webhookId: string
  readonly deliveryId: string
  readonly scheduleId: string
  readonly budgetId: string
}

export function newWorld(overrides: Partial<World> = {}): World {
  return {
    tenantId: newId(),
    userId: newId(),
    email: `${randomBytes(6).toString('hex')}@example.com`,
    hash: randomBytes(32),
    projectId: newId(),
    sessionId: newId(),
    runId: newId(),
    webhookId: newId(),
    deliveryId: newId(),
    scheduleId: newId(),
    budgetId: newId(),
    ...overrides,
  }
}

/** All that a request of this world's user can say of itself. */
export function scopeOf({ tenantId, userId, email, hash }: World): Scope {
  return { tenantId, userId, signInEmail: email, presentedHash: hash }
}

/** A second hash of a world, where one row has two. */
export function hashOf(hash: Buffer): Buffer {
  return createHash('sha256').update(hash).digest()
}

const NOW = new Date()
const LATER = new Date(NOW.getTime() + 86_400_000)
const EARLIER = new Date(NOW.getTime() - 40 * 86_400_000)

const NO_COSTS = {
  executions: 0,
  unpriced: 0,
  input_tokens: 0,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: 0,
  cache_hits: 0,
  saved_usd: 0,
}

/** A row of each table, as no sweep would take it; tables that others point at come first. */
const FACTORIES: Readonly<Record<string, (world: World) => Row>> = {
  tenants: ({ tenantId }) => ({ id: tenantId, name: 'A team', created_at: NOW }),
  users: ({ userId, email }) => ({ id: userId, email, created_at: NOW, updated_at: NOW }),
  credentials: ({ userId }) => ({ user_id: userId, password_hash: 'secret', changed_at: NOW }),
  memberships: ({ tenantId, userId }) => ({ tenant_id: tenantId, user_id: userId, role: 'owner', created_at: NOW }),
  sessions: ({ tenantId, userId, sessionId }) => ({
    tenant_id: tenantId,
    id: sessionId,
    user_id: userId,
    created_at: NOW,
    expires_at: LATER,
    ends_at: LATER,
    last_used_at: NOW,
  }),
  refresh_tokens: ({ tenantId, sessionId, hash }) => ({
    tenant_id: tenantId,
    token_hash: hash,
    session_id: sessionId,
    created_at: NOW,
    expires_at: LATER,
  }),
  api_keys: ({ tenantId, userId, hash }) => ({
    tenant_id: tenantId,
    id: newId(),
    user_id: userId,
    name: 'a key',
    prefix: 'tn_a',
    key_hash: hash,
    scopes: [],
    created_at: NOW,
  }),
  invitations: ({ tenantId, userId, email, hash }) => ({
    tenant_id: tenantId,
    id: newId(),
    email,
    role: 'member',
    token_hash: hash,
    invited_by: userId,
    created_at: NOW,
    expires_at: LATER,
  }),
  one_time_tokens: ({ userId, hash }) => ({
    token_hash: hash,
    user_id: userId,
    kind: 'password_reset',
    created_at: NOW,
    expires_at: LATER,
  }),
  pending_registrations: ({ userId, hash }) => ({
    token_hash: hashOf(hash),
    email_hash: hash,
    user_id: userId,
    sealed: Buffer.from('secret'),
    created_at: NOW,
    expires_at: LATER,
  }),
  login_attempts: ({ hash }) => ({ email_hash: hash, failures: 1, last_failed_at: NOW }),
  rate_limit_windows: ({ hash }) => ({ key_hash: hash, hits: 1, expires_at: LATER }),
  csp_reports: ({ hash }) => ({
    fingerprint: hash,
    document_uri: 'https://example.com',
    directive: 'script-src',
    blocked_uri: 'inline',
    hits: 1,
    first_seen_at: NOW,
    last_seen_at: NOW,
  }),
  idempotency_keys: ({ tenantId, hash }) => ({
    tenant_id: tenantId,
    key: hash.toString('hex'),
    request_hash: hash,
    created_at: NOW,
    expires_at: LATER,
  }),
  audit_log: ({ tenantId, userId, hash }) => ({
    tenant_id: tenantId,
    sequence: 1,
    id: newId(),
    occurred_at: NOW,
    actor_type: 'user',
    actor_id: userId,
    action: 'authn_login_success',
    resource_type: 'session',
    resource_id: 'x',
    hash,
  }),
  audit_search: ({ tenantId }) => ({ tenant_id: tenantId, sequence: 1, search: 'secret' }),
  audit_chain_heads: ({ tenantId, hash }) => ({ tenant_id: tenantId, sequence: 1, hash }),
  projects: ({ tenantId, projectId }) => ({
    tenant_id: tenantId,
    id: projectId,
    slug: projectId,
    name: 'A project',
    created_at: NOW,
    updated_at: NOW,
  }),
  runs: ({ tenantId, runId, projectId, userId }) => ({
    tenant_id: tenantId,
    id: runId,
    root_run_id: runId,
    project_id: projectId,
    agent: 'developer',
    agent_version: 1,
    status: 'completed',
    task: 'secret',
    model: 'offline/extractive',
    input: {},
    user_id: userId,
    created_at: NOW,
  }),
  run_steps: ({ tenantId, runId }) => ({
    tenant_id: tenantId,
    run_id: runId,
    position: 1,
    kind: 'model',
    status: 'completed',
    name: 'offline/extractive',
    request: {},
    attempt: 1,
    started_at: NOW,
  }),
  run_events: ({ tenantId, runId }) => ({
    tenant_id: tenantId,
    run_id: runId,
    sequence: 1,
    type: 'run.started',
    data: {},
    created_at: NOW,
  }),
  approvals: ({ tenantId, runId, hash }) => ({
    tenant_id: tenantId,
    id: newId(),
    run_id: runId,
    position: 1,
    agent: 'developer',
    reason: 'run',
    arguments: {},
    arguments_hash: hash,
    status: 'pending',
    default_decision: 'reject',
    requester_may_decide: true,
    created_at: NOW,
    expires_at: LATER,
  }),
  approval_policies: ({ tenantId }) => ({
    tenant_id: tenantId,
    requester_may_decide: true,
    expires_after_seconds: 60,
    default_decision: 'reject',
    updated_at: NOW,
  }),
  agents: ({ tenantId }) => ({
    tenant_id: tenantId,
    slug: 'own',
    current_version: 1,
    created_at: NOW,
    updated_at: NOW,
  }),
  agent_versions: ({ tenantId }) => ({
    tenant_id: tenantId,
    slug: 'own',
    version: 1,
    definition: {},
    created_at: NOW,
  }),
  mcp_servers: ({ tenantId }) => ({
    tenant_id: tenantId,
    id: newId(),
    name: 'a server',
    url: 'https://mcp.example.com',
    created_at: NOW,
    updated_at: NOW,
  }),
  kept_answers: ({ tenantId, hash }) => ({
    tenant_id: tenantId,
    key_hash: hash,
    model: 'offline/extractive',
    answer: {},
    input_tokens: 1,
    cached_input_tokens: 0,
    output_tokens: 1,
    reasoning_tokens: 0,
    created_at: NOW,
    expires_at: LATER,
  }),
  cost_tracking: ({ tenantId, runId, projectId, userId }) => ({
    tenant_id: tenantId,
    id: newId(),
    run_id: runId,
    project_id: projectId,
    agent: 'developer',
    model: 'offline/extractive',
    user_id: userId,
    input_tokens: 1,
    cached_input_tokens: 0,
    output_tokens: 1,
    reasoning_tokens: 0,
    created_at: NOW,
  }),
  cost_tail: ({ tenantId }) => ({
    tenant_id: tenantId,
    id: newId(),
    created_at: LATER,
    agent: 'developer',
    model: 'a/b',
  }),
  cost_hourly: ({ tenantId }) => ({ tenant_id: tenantId, hour: NOW, agent: 'developer', model: 'a/b', ...NO_COSTS }),
  cost_hourly_detail: ({ tenantId }) => ({
    tenant_id: tenantId,
    id: newId(),
    hour: NOW,
    agent: 'developer',
    model: 'a/b',
    ...NO_COSTS,
  }),
  cost_policies: ({ tenantId }) => ({
    tenant_id: tenantId,
    timezone: 'UTC',
    unpriced_models: 'allow',
    updated_at: NOW,
  }),
  model_prices: ({ tenantId, userId }) => ({
    tenant_id: tenantId,
    id: newId(),
    model: 'a/b',
    input_usd_per_million: '1',
    output_usd_per_million: '1',
    effective_from: NOW,
    created_by: userId,
    created_at: NOW,
  }),
  budgets: ({ tenantId, budgetId }) => ({
    tenant_id: tenantId,
    id: budgetId,
    scope: 'tenant',
    target: '',
    period: 'month',
    limit_usd: '1',
    alert_percents: [50],
    is_hard: true,
    created_at: NOW,
    updated_at: NOW,
  }),
  budget_periods: ({ tenantId, budgetId }) => ({
    tenant_id: tenantId,
    budget_id: budgetId,
    period_start: NOW,
    spent_usd: '1',
  }),
  budget_reservations: ({ tenantId, budgetId, runId }) => ({
    tenant_id: tenantId,
    run_id: runId,
    step: 1,
    budget_id: budgetId,
    period_start: NOW,
    amount_usd: '1',
    created_at: LATER,
  }),
  budget_alerts: ({ tenantId, budgetId }) => ({
    tenant_id: tenantId,
    budget_id: budgetId,
    period_start: NOW,
    kind: 'threshold',
    percent: 50,
    spent_usd: '1',
    reached_at: NOW,
    announced_at: NOW,
  }),
  webhooks: ({ tenantId, webhookId }) => ({
    tenant_id: tenantId,
    id: webhookId,
    url: 'https://hooks.example.com',
    events: ['*'],
    // An active one would come with its subscription.
    is_active: false,
    created_at: NOW,
    updated_at: NOW,
  }),
  webhook_subscriptions: ({ tenantId, webhookId }) => ({
    tenant_id: tenantId,
    webhook_id: webhookId,
    event_keys: [`${tenantId}/*`],
  }),
  webhook_secrets: ({ tenantId, webhookId }) => ({
    tenant_id: tenantId,
    webhook_id: webhookId,
    id: newId(),
    sealed: Buffer.from('secret'),
    created_at: NOW,
  }),
  webhook_health: ({ tenantId, webhookId }) => ({ tenant_id: tenantId, webhook_id: webhookId, tokens: 1 }),
  webhook_messages: ({ tenantId, deliveryId }) => ({
    tenant_id: tenantId,
    id: `msg_${deliveryId}`,
    type: 'run.completed',
    body: 'secret',
    created_at: NOW,
  }),
  webhook_replays: ({ tenantId, webhookId }) => ({
    tenant_id: tenantId,
    id: newId(),
    webhook_id: webhookId,
    since: EARLIER,
    until: NOW,
    created_at: NOW,
    finished_at: NOW,
  }),
  webhook_deliveries: ({ tenantId, webhookId, deliveryId }) => ({
    tenant_id: tenantId,
    id: deliveryId,
    webhook_id: webhookId,
    message_id: `msg_${deliveryId}`,
    event_type: 'run.completed',
    status: 'delivered',
    created_at: NOW,
    finished_at: NOW,
  }),
  webhook_attempts: ({ tenantId, deliveryId }) => ({
    tenant_id: tenantId,
    delivery_id: deliveryId,
    number: 1,
    started_at: NOW,
    duration_ms: 1,
    response_status: 200,
  }),
  scheduled_tasks: ({ tenantId, userId, scheduleId }) => ({
    tenant_id: tenantId,
    id: scheduleId,
    name: 'nightly',
    agent: 'developer',
    task: 'secret',
    input: '{}',
    every_seconds: 60,
    timezone: 'UTC',
    anchor_at: NOW,
    overlap: 'skip',
    catch_up_seconds: 0,
    jitter_seconds: 0,
    is_active: true,
    cursor_at: NOW,
    tz_version: '2026a',
    user_id: userId,
    created_at: NOW,
    updated_at: NOW,
  }),
  task_executions: ({ tenantId, scheduleId }) => ({
    tenant_id: tenantId,
    id: newId(),
    schedule_id: scheduleId,
    trigger: 'schedule',
    nominal_at: NOW,
    due_at: NOW,
    status: 'skipped',
    created_at: NOW,
    finished_at: NOW,
  }),
  scheduler_watch: ({ scheduleId }) => ({ watched: scheduleId, last_seen_at: NOW, watched_since: NOW }),
  schedule_policies: ({ tenantId }) => ({ tenant_id: tenantId, min_interval_seconds: 60, updated_at: NOW }),
}

/** What makes a row one that a sweep is there for. */
const STALE: Readonly<Record<string, Row>> = {
  runs: { status: 'pending' },
  approvals: { expires_at: EARLIER },
  kept_answers: { expires_at: EARLIER },
  sessions: { expires_at: EARLIER },
  refresh_tokens: { used_at: EARLIER },
  invitations: { expires_at: EARLIER },
  one_time_tokens: { expires_at: EARLIER },
  pending_registrations: { expires_at: EARLIER },
  idempotency_keys: { expires_at: EARLIER },
  login_attempts: { last_failed_at: EARLIER },
  cost_tail: { created_at: EARLIER },
  budget_reservations: { created_at: EARLIER },
  budget_alerts: { announced_at: null },
  webhook_messages: { created_at: EARLIER },
  webhook_replays: { finished_at: null },
  webhook_deliveries: { status: 'pending', next_retry_at: NOW, finished_at: null },
  scheduled_tasks: { next_nominal_at: NOW, next_run_at: NOW },
  task_executions: { created_at: EARLIER, is_uncounted: true },
}

export const TABLES_WITH_FACTORY = Object.keys(FACTORIES)

/** @throws Error for a table that nobody wrote a factory for */
export function makeRow(table: string, world: World): Row {
  const factory = FACTORIES[table]
  if (!factory) throw new Error(`add a factory for ${table} to test/tenancy/world.ts`)
  return factory(world)
}

/** The row, such as a sweep would take it; the row as it is where there is no sweep. */
export function makeStaleRow(table: string, world: World): Row {
  return { ...makeRow(table, world), ...STALE[table] }
}
