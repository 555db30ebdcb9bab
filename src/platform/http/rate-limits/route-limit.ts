/** Limits that single routes have beside their caller's tier. Each has a setting (`RATE_LIMIT_…`). */
export type RouteLimit = 'login' | 'register' | 'refresh' | 'password-reset' | 'health' | 'csp-reports' | 'agent-run'
