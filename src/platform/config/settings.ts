import { z } from 'zod'

/** Groups of `.env.example`, in its order. */
export const SETTING_GROUPS = [
  'Server',
  'Database',
  'Cache',
  'Secrets',
  'Models',
  'Runs',
  'Auth',
  'Mail',
  'Outbound',
  'Webhooks',
  'Schedules',
  'Projects',
  'Limits',
  'Observability',
] as const
type SettingGroup = (typeof SETTING_GROUPS)[number]

export interface SettingMeta {
  readonly group: SettingGroup
  readonly description: string
  readonly secret?: boolean
}

const MAX_PORT = 65_535

/** Every setting is declared once, here, with its group and meaning: `.env.example` is checked against this. */
function setting<T extends z.ZodType>(schema: T, group: SettingGroup, description: string, secret = false): T {
  return schema.meta({ group, description, ...(secret && { secret }) })
}

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const optionalText = z.string().min(1).optional()
const url = (...protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    error: `must be a URL starting with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  })
const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true')
const MAX_LIMIT = 10_000_000
const perWindow = (fallback: number) => integer(1, MAX_LIMIT).default(fallback)
const addressRanges = z
  .string()
  .transform((value) => value.split(',').map((range) => range.trim()))
  .pipe(z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'must be CIDRs, e.g. 10.0.0.0/8' })))
  // To trust everybody is to let everybody say who he is.
  .refine((ranges) => !ranges.some((range) => range.endsWith('/0')), { error: 'must not span every address' })
  .optional()
const ports = z
  .string()
  .transform((value) => value.split(',').map((port) => port.trim()))
  .pipe(z.array(z.coerce.number<string>().int().min(1).max(MAX_PORT)))
const modelName = z
  .string()
  .regex(/^[a-z0-9-]+\/\S+$/, { error: 'must look like provider/model, e.g. openai/gpt-5-mini' })
const MAX_FALLBACK_MODELS = 5
const modelNames = z
  .string()
  .transform((value) => value.split(',').map((name) => name.trim()))
  .pipe(z.array(modelName).max(MAX_FALLBACK_MODELS, { error: `must name at most ${MAX_FALLBACK_MODELS} models` }))
const MAX_RETRIES = 20
const secondsList = z
  .string()
  .transform((value) => value.split(',').map((seconds) => seconds.trim()))
  .pipe(z.array(z.coerce.number<string>().min(0).max(604_800)).max(MAX_RETRIES))
/** The whole configuration, by the environment's names. Parsed once at boot; nothing else reads `process.env`. */
export const settingsSchema = z
  .object({
    NODE_ENV: setting(
      z.enum(['development', 'test', 'production']).default('development'),
      'Server',
      'production refuses to start without its secrets; development makes and keeps them under DATA_DIR.',
    ),
    HOST: setting(
      z.string().min(1).default('127.0.0.1'),
      'Server',
      'Address to listen on; 0.0.0.0 or :: for every interface.',
    ),
    PORT: setting(integer(0, MAX_PORT).default(3000), 'Server', 'Port to listen on; 0 takes a free one.'),
    PUBLIC_URL: setting(
      url('http:', 'https:').optional(),
      'Server',
      'Where clients reach this server; default http://HOST:PORT.',
    ),
    DATA_DIR: setting(
      z.string().min(1).default('.data'),
      'Server',
      'Where the embedded PostgreSQL and generated development secrets live.',
    ),
    BODY_LIMIT_BYTES: setting(
      integer(1024, 16 * 1024 * 1024).default(256 * 1024),
      'Server',
      'Largest JSON body; above it 413.',
    ),
    REQUEST_TIMEOUT_MS: setting(
      integer(1000, 600_000).default(30_000),
      'Server',
      'How long a client may take to send its request.',
    ),
    HANDLER_TIMEOUT_MS: setting(
      integer(1000, 600_000).default(30_000),
      'Server',
      'How long a route may take to answer, above it 503; routes that wait for a run add the wait that was asked for.',
    ),
    TRUSTED_PROXIES: setting(
      addressRanges,
      'Server',
      'Comma-separated CIDRs of proxies whose X-Forwarded-For counts; none by default.',
    ),
    MAX_EVENT_LOOP_DELAY_MS: setting(
      integer(0, 60_000).default(5000),
      'Server',
      'Event-loop delay above which requests get 503 at once; 0 switches this off.',
    ),
    MAX_HEAP_USED_BYTES: setting(
      integer(0, 64 * 1024 ** 3).default(0),
      'Server',
      'Used heap above which requests get 503 at once; 0 switches this off.',
    ),
    SHUTDOWN_DELAY_MS: setting(
      integer(0, 60_000).default(0),
      'Server',
      'How long after SIGTERM requests are still taken, while readiness says 503: as long as a load balancer needs to notice.',
    ),
    SHUTDOWN_GRACE_MS: setting(
      integer(0, 300_000).default(15_000),
      'Server',
      'How long requests in flight may take to end after SIGTERM.',
    ),

    DATABASE_URL: setting(
      url('postgres:', 'postgresql:').optional(),
      'Database',
      'PostgreSQL 15 or newer, as the role that owns the schema. Unset: an embedded PostgreSQL 18 under DATA_DIR.',
      true,
    ),
    DATABASE_APP_URL: setting(
      url('postgres:', 'postgresql:').optional(),
      'Database',
      'The same database as the role that serves requests (no owner, no superuser, no BYPASSRLS). Unset: <database>_app is made for you.',
      true,
    ),
    DATABASE_POOLER_URL: setting(
      url('postgres:', 'postgresql:').optional(),
      'Database',
      'The same database through a pooler in transaction mode (PgBouncer), for requests and workers; any role in it is ignored. Migrations, LISTEN and the job queue keep to the URLs above.',
    ),
    DATABASE_POOL_SIZE: setting(integer(2, 200).default(10), 'Database', 'Connections for requests.'),
    DATABASE_WORKER_POOL_SIZE: setting(
      integer(2, 200).default(8),
      'Database',
      'Connections for background work; the job queue has three of its own.',
    ),
    DATABASE_CONNECT_TIMEOUT_MS: setting(
      integer(100, 60_000).default(5000),
      'Database',
      'How long to wait for a connection.',
    ),
    DATABASE_STATEMENT_TIMEOUT_MS: setting(integer(100, 600_000).default(10_000), 'Database', 'Longest statement.'),
    DATABASE_LOCK_TIMEOUT_MS: setting(
      integer(10, 600_000).default(5000),
      'Database',
      'Longest wait for a row or a table that other work holds, above it 503. Below DATABASE_STATEMENT_TIMEOUT_MS, which ends it as well.',
    ),
    DATABASE_SLOW_QUERY_MS: setting(
      integer(0, 600_000).default(100),
      'Database',
      'Statements that take so long are logged as `slow_query`, without their parameters; 0 switches this off.',
    ),
    DATABASE_PREPARED_STATEMENTS: setting(
      flag.default(true),
      'Database',
      'false behind a transaction-pooling proxy that does not keep prepared statements (PgBouncer before 1.21).',
    ),

    REDIS_URL: setting(
      url('redis:', 'rediss:').optional(),
      'Cache',
      'Shared cache; needed as soon as there are two replicas. Unset: in-process only.',
      true,
    ),

    JWT_SECRET: setting(
      z.string().min(32, { error: 'must have at least 32 characters' }).optional(),
      'Secrets',
      'Signs access tokens; at least 32 characters. Required in production.',
      true,
    ),
    JWT_PREVIOUS_SECRETS: setting(
      z
        .string()
        .transform((value) => value.split(',').map((secret) => secret.trim()))
        .pipe(z.array(z.string().min(32, { error: 'each must have at least 32 characters' })).max(5))
        .optional(),
      'Secrets',
      'Comma-separated earlier values of JWT_SECRET: tokens that they signed stay valid until they expire.',
      true,
    ),

    DEFAULT_MODEL: setting(
      modelName.optional(),
      'Models',
      "provider/model for runs that name none. Unset: the first configured provider's default, else offline/extractive.",
    ),
    FALLBACK_MODELS: setting(
      modelNames.optional(),
      'Models',
      "Comma-separated provider/model names, asked in this order when a run's model fails; an agent may name its own.",
    ),
    OPENAI_API_KEY: setting(optionalText, 'Models', 'Key for openai/… models.', true),
    OPENAI_BASE_URL: setting(
      url('http:', 'https:').optional(),
      'Models',
      'Any OpenAI-compatible server; default https://api.openai.com/v1.',
    ),
    ANTHROPIC_API_KEY: setting(optionalText, 'Models', 'Key for anthropic/… models.', true),
    ANTHROPIC_BASE_URL: setting(url('http:', 'https:').optional(), 'Models', 'Default https://api.anthropic.com/v1.'),
    OLLAMA_BASE_URL: setting(
      url('http:', 'https:').optional(),
      'Models',
      'An Ollama server, e.g. http://127.0.0.1:11434; serves ollama/… models.',
    ),
    MODEL_TIMEOUT_MS: setting(
      integer(1000, 3_600_000).default(120_000),
      'Models',
      'Longest that one model may take to answer, its retries included; the next of the chain has as long again.',
    ),
    MODEL_IDLE_TIMEOUT_MS: setting(
      integer(100, 300_000).default(30_000),
      'Models',
      'A model that sends nothing for this long, before its first word too, counts as failed. More for models that think in silence.',
    ),
    MODEL_MAX_RETRIES: setting(
      integer(0, 10).default(2),
      'Models',
      'Retries of a model on 408, 409, 429, 5xx and broken connections, with back-off; Retry-After is honoured up to 60 s.',
    ),
    MODEL_CIRCUIT_FAILURES: setting(
      integer(1, 1000).default(5),
      'Models',
      'Failed calls in a row after which a model is not asked for a while; the next of the chain is, at once.',
    ),
    MODEL_CIRCUIT_OPEN_MS: setting(
      integer(100, 3_600_000).default(30_000),
      'Models',
      'How long that while is; then one call finds out whether the model is back.',
    ),
    MODEL_PRICES_FILE: setting(
      optionalText,
      'Models',
      'JSON or YAML file of prices that override the catalogue: { "provider/model": { inputUsdPerMillion, outputUsdPerMillion, cachedInputUsdPerMillion?, cacheWriteUsdPerMillion?, reasoningUsdPerMillion? } }.',
    ),
    BUDGETS_MAX: setting(
      integer(1, 100_000).default(1000),
      'Models',
      'Budgets a tenant may have, but for those of its API keys.',
    ),
    BUDGET_MAX_OUTPUT_TOKENS: setting(
      integer(256, 1_000_000).default(4096),
      'Models',
      'Output that a budget reserves for a model call, and that the call is held to, where `limits.maxTokens` of the run says nothing.',
    ),
    LLM_CACHE_TTL_TEXT_SECONDS: setting(
      integer(0, 31_536_000).default(86_400),
      'Models',
      'How long answers in text are kept; 0: never. Of several such times that fit an answer the least holds.',
    ),
    LLM_CACHE_TTL_STRUCTURED_SECONDS: setting(
      integer(0, 31_536_000).default(86_400),
      'Models',
      'How long answers of a given form are kept.',
    ),
    LLM_CACHE_TTL_TOOLS_SECONDS: setting(
      integer(0, 31_536_000).default(3600),
      'Models',
      'How long answers of a model with tools are kept: what these read changes.',
    ),
    LLM_CACHE_TTL_KNOWLEDGE_SECONDS: setting(
      integer(0, 31_536_000).default(900),
      'Models',
      'How long answers from knowledge are kept, beside that other knowledge asks anew.',
    ),

    RUN_CONCURRENCY: setting(integer(1, 2000).default(256), 'Runs', 'Runs in flight on one replica.'),
    RUN_TENANT_CONCURRENCY: setting(
      integer(1, 2000).default(224),
      'Runs',
      'Runs of one tenant in flight on one replica. What is left of RUN_CONCURRENCY keeps the others from waiting for it.',
    ),
    RUN_MAX_STEPS: setting(
      integer(1, 1000).default(50),
      'Runs',
      'Most steps of a run with all that it delegates, unless its limits.maxSteps says less.',
    ),
    RUN_CACHE_DEFAULT: setting(
      z.enum(['use', 'refresh', 'off']).default('off'),
      'Runs',
      'Whether a run that does not say uses kept answers of the same tenant.',
    ),
    APPROVAL_EXPIRES_AFTER_SECONDS: setting(
      integer(1, 31_536_000).default(86_400),
      'Runs',
      'How long an approval waits for a person, unless its tenant says otherwise.',
    ),
    APPROVAL_DEFAULT_DECISION: setting(
      z.enum(['approve', 'reject']).default('reject'),
      'Runs',
      'What an approval that nobody decides comes to, unless its tenant says otherwise.',
    ),
    APPROVAL_REQUESTER_MAY_DECIDE: setting(
      flag.default(true),
      'Runs',
      'false: who started a run may not approve it, unless its tenant says otherwise.',
    ),
    RUN_STREAMS_MAX: setting(
      integer(1, 100_000).default(5000),
      'Runs',
      'Open event streams on one replica; above it 503.',
    ),
    RUN_TENANT_STREAMS_MAX: setting(
      integer(1, 100_000).default(1000),
      'Runs',
      'Open event streams of one tenant on one replica; above it 429.',
    ),
    RUN_STREAM_HEARTBEAT_MS: setting(
      integer(100, 60_000).default(15_000),
      'Runs',
      'How often an event stream shows a sign of life, and looks whether its reader may still read.',
    ),
    RUN_MAX_ATTEMPTS: setting(
      integer(1, 20).default(3),
      'Runs',
      'How often a run is taken up before a crash of its worker fails it.',
    ),
    RUN_LEASE_MS: setting(
      integer(1000, 600_000).default(10_000),
      'Runs',
      'A worker that is silent for this long has lost its run.',
    ),
    RUN_TIMEOUT_SECONDS: setting(
      integer(1, 86_400).default(900),
      'Runs',
      'Longest run, unless its limits.timeoutSeconds says less.',
    ),

    REGISTRATION: setting(
      z.enum(['open', 'invite', 'closed']).default('open'),
      'Auth',
      'Who may register: anyone; who was invited; nobody.',
    ),
    EMAIL_VERIFICATION: setting(
      flag.default(false),
      'Auth',
      'true: an address must be proved before it can sign in, and registering does not tell whether one is known. Needs SMTP_URL.',
    ),
    PASSWORD_POLICY: setting(
      z.enum(['classes', 'length']).default('classes'),
      'Auth',
      'classes: upper case, lower case and digit; length: length and the blocklist alone (NIST SP 800-63B).',
    ),
    PASSWORD_MIN_LENGTH: setting(integer(8, 64).default(12), 'Auth', 'Fewest characters of a new password.'),
    ACCESS_TOKEN_TTL_SECONDS: setting(integer(60, 86_400).default(900), 'Auth', 'Life of an access token.'),
    REFRESH_TOKEN_TTL_SECONDS: setting(
      integer(3600, 31_536_000).default(2_592_000),
      'Auth',
      'Life of a session without a refresh.',
    ),
    SESSION_TTL_SECONDS: setting(
      integer(3600, 315_360_000).default(7_776_000),
      'Auth',
      'Life of a session however often it is refreshed.',
    ),
    INVITATION_TTL_SECONDS: setting(integer(60, 31_536_000).default(604_800), 'Auth', 'Life of an invitation.'),
    PASSWORD_RESET_TTL_SECONDS: setting(integer(60, 86_400).default(3600), 'Auth', 'Life of a password-reset link.'),
    ARGON2_MEMORY_KIB: setting(integer(8192, 1_048_576).default(19_456), 'Auth', 'argon2id memory per hash.'),
    ARGON2_TIME_COST: setting(integer(1, 20).default(2), 'Auth', 'argon2id passes.'),
    ARGON2_CONCURRENCY: setting(
      integer(1, 64).default(2),
      'Auth',
      'Passwords hashed at once; each holds ARGON2_MEMORY_KIB and a thread.',
    ),
    ARGON2_QUEUE_LIMIT: setting(
      integer(0, 10_000).default(128),
      'Auth',
      'Hashes that may wait for their turn; above it 503 with Retry-After.',
    ),

    SMTP_URL: setting(
      url('smtp:', 'smtps:').optional(),
      'Mail',
      'smtp(s)://user:password@host:port. Unset: who invites gets the link in the answer.',
      true,
    ),
    MAIL_FROM: setting(z.string().min(3).default('TempoNest <no-reply@localhost>'), 'Mail', 'Sender of all mail.'),

    OUTBOUND_ALLOWED_CIDRS: setting(
      addressRanges,
      'Outbound',
      "Comma-separated private CIDRs that tenants' URLs may reach, at ports 80, 443 and from 1024; none by default.",
    ),
    OUTBOUND_ALLOWED_PORTS: setting(
      ports.default([80, 443, 8080, 8443]),
      'Outbound',
      "Ports of public hosts that tenants' URLs may reach.",
    ),
    OUTBOUND_TIMEOUT_MS: setting(
      integer(100, 600_000).default(30_000),
      'Outbound',
      "Longest request to a tenant's URL, from the look-up of its host to the last byte.",
    ),
    OUTBOUND_MAX_RESPONSE_BYTES: setting(
      integer(1024, 64 * 1024 * 1024).default(1024 * 1024),
      'Outbound',
      "Largest answer of a tenant's URL, unpacked.",
    ),

    WEBHOOK_ENDPOINTS_MAX: setting(integer(1, 1000).default(50), 'Webhooks', 'Endpoints a tenant may have.'),
    WEBHOOK_TIMEOUT_MS: setting(
      integer(100, 60_000).default(15_000),
      'Webhooks',
      'How long a receiver may take to answer, from the look-up of its host to the last byte that is kept.',
    ),
    WEBHOOK_RETRY_SECONDS: setting(
      secondsList.default([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]),
      'Webhooks',
      'Comma-separated waits after each failed attempt, each give or take a tenth; after the attempt behind the last a delivery is exhausted.',
    ),
    WEBHOOK_RETRY_AFTER_MAX_SECONDS: setting(
      integer(1, 604_800).default(86_400),
      'Webhooks',
      "Longest wait that a receiver's Retry-After is honoured for.",
    ),
    WEBHOOK_CONCURRENCY: setting(
      integer(1, 10_000).default(256),
      'Webhooks',
      'Deliveries under way at once on one replica.',
    ),
    WEBHOOK_ENDPOINT_CONCURRENCY: setting(
      integer(1, 1000).default(32),
      'Webhooks',
      'Deliveries under way at once to one endpoint, over all replicas.',
    ),
    WEBHOOK_CIRCUIT_FAILURES: setting(
      integer(1, 1000).default(10),
      'Webhooks',
      'Failures in a row after which an endpoint is left alone for a while, and then tried with one delivery.',
    ),
    WEBHOOK_CIRCUIT_MIN_SECONDS: setting(
      integer(1, 3600).default(5),
      'Webhooks',
      'How long it is left alone the first time; each time it fails again, twice as long.',
    ),
    WEBHOOK_CIRCUIT_MAX_SECONDS: setting(
      integer(1, 86_400).default(60),
      'Webhooks',
      'The longest that it is left alone.',
    ),
    WEBHOOK_DISABLE_AFTER_HOURS: setting(
      integer(1, 8760).default(120),
      'Webhooks',
      'An endpoint that has done nothing but fail for so long is switched off.',
    ),
    WEBHOOK_SECRET_OVERLAP_HOURS: setting(
      integer(1, 720).default(24),
      'Webhooks',
      'How long a secret signs beside the one that has replaced it.',
    ),
    WEBHOOK_RETENTION_DAYS: setting(
      integer(1, 3650).default(90),
      'Webhooks',
      'How long messages are kept, with their deliveries and attempts.',
    ),

    SCHEDULE_MIN_INTERVAL_SECONDS: setting(
      integer(1, 86_400).default(10),
      'Schedules',
      'Shortest time between two due times of a schedule; a tenant can ask for a longer one.',
    ),
    SCHEDULE_GRACE_SECONDS: setting(
      integer(1, 3600).default(5),
      'Schedules',
      'A due time that nobody saw to for longer was missed; `catchUpSeconds` of a schedule comes on top.',
    ),
    SCHEDULES_MAX: setting(integer(1, 1_000_000).default(10_000), 'Schedules', 'Schedules a tenant may have.'),
    SCHEDULE_RETENTION_DAYS: setting(integer(1, 3650).default(90), 'Schedules', 'How long executions are kept.'),

    PROJECTS_MAX: setting(integer(1, 1_000_000).default(100_000), 'Projects', 'Projects a tenant may have.'),

    RATE_LIMIT_ANONYMOUS_PER_MINUTE: setting(perWindow(60), 'Limits', 'Requests without credentials, an address.'),
    RATE_LIMIT_AUTHENTICATED_PER_MINUTE: setting(
      perWindow(300),
      'Limits',
      'Requests of members and viewers, and of their API keys that have no limit of their own.',
    ),
    RATE_LIMIT_ADMIN_PER_MINUTE: setting(
      perWindow(1000),
      'Limits',
      'Requests of admins and owners, and of their API keys likewise.',
    ),
    RATE_LIMIT_LOGIN_PER_MINUTE: setting(perWindow(5), 'Limits', 'Sign-ins, an address.'),
    RATE_LIMIT_REGISTER_PER_HOUR: setting(perWindow(3), 'Limits', 'Registrations, an address.'),
    RATE_LIMIT_REFRESH_PER_MINUTE: setting(perWindow(10), 'Limits', 'Refreshes, an address.'),
    RATE_LIMIT_PASSWORD_RESET_PER_HOUR: setting(perWindow(10), 'Limits', 'Reset requests and resets, an address.'),
    RATE_LIMIT_INVITATION_ACCEPT_PER_HOUR: setting(perWindow(30), 'Limits', 'Invitations accepted, an address.'),
    RATE_LIMIT_HEALTH_PER_MINUTE: setting(perWindow(100), 'Limits', '/health and /health/detailed, an address.'),
    RATE_LIMIT_CSP_REPORTS_PER_MINUTE: setting(perWindow(30), 'Limits', 'CSP reports, an address.'),
    RATE_LIMIT_AGENT_RUNS_PER_MINUTE: setting(
      perWindow(30),
      'Limits',
      'Runs of one agent, a principal, unless its own limit follows.',
    ),
    RATE_LIMIT_OVERSEER_RUNS_PER_MINUTE: setting(perWindow(20), 'Limits', 'Runs of the overseer, a principal.'),
    RATE_LIMIT_QA_TESTER_RUNS_PER_MINUTE: setting(perWindow(15), 'Limits', 'Runs of the qa-tester, a principal.'),
    RATE_LIMIT_SCHEDULE_CREATIONS_PER_HOUR: setting(perWindow(50), 'Limits', 'Schedules created, a principal.'),
    RATE_LIMIT_SCHEDULE_TRIGGERS_PER_HOUR: setting(
      perWindow(100),
      'Limits',
      'Schedules triggered or backfilled by hand, a principal.',
    ),
    LOGIN_LOCKOUT_AFTER_FAILURES: setting(
      integer(1, 1000).default(10),
      'Limits',
      'Failed sign-ins in a row after which an account waits, twice as long each time; a password reset ends the wait.',
    ),

    LOG_LEVEL: setting(
      z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
      'Observability',
      'Least severe level that is logged.',
    ),
    LOG_FORMAT: setting(
      z.enum(['json', 'pretty']).default('json'),
      'Observability',
      'json for machines, pretty for people.',
    ),
  })
  .refine(({ EMAIL_VERIFICATION, SMTP_URL }) => !EMAIL_VERIFICATION || SMTP_URL !== undefined, {
    path: ['SMTP_URL'],
    error: 'required when EMAIL_VERIFICATION=true',
  })

export type Settings = z.infer<typeof settingsSchema>
