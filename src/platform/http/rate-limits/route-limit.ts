/** Limits that single routes have beside their caller's tier. Each has a setting (`RATE_LIMIT_…`). */
export type RouteLimit =
  | 'login'
  | 'register'
  | 'refresh'
  | 'password-reset'
  | 'invitation-accept'
  | 'health'
  | 'csp-reports'
  | 'agent-run'
  | 'schedule-create'
  | 'schedule-trigger'

/** Those that guard against guessing and floods of mail: replicas share them even while Redis is gone. */
export const GUARDING_LIMITS: ReadonlySet<string> = new Set<RouteLimit | 'invitations' | 'invitation-mail'>([
  'login',
  'register',
  'refresh',
  'password-reset',
  'invitation-accept',
  'invitations',
  'invitation-mail',
])
