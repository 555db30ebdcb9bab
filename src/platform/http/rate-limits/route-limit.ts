/** Limits that single routes have beside their caller's tier. Each has a setting (`RATE_LIMIT_…`). */
export type RouteLimit = 'login' | 'register' | 'refresh' | 'password-reset' | 'health' | 'csp-reports' | 'agent-run'

/** Those that guard against guessing: replicas share them even while Redis is gone. */
export const GUARDING_LIMITS: ReadonlySet<string> = new Set<RouteLimit>([
  'login',
  'register',
  'refresh',
  'password-reset',
])
