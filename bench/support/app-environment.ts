/**
 * Settings of our app that every case runs with, beside PORT, HOST, DATA_DIR, DATABASE_URL and the model's.
 * The one place for them: what a case must switch off to measure at all (a rate limit), and nothing that makes us faster.
 */
export const appEnvironment: Readonly<Record<string, string>> = {
  LOG_LEVEL: 'warn',
  RATE_LIMIT_ADMIN_PER_MINUTE: '10000000',
  RATE_LIMIT_ANONYMOUS_PER_MINUTE: '10000000',
  RATE_LIMIT_AGENT_RUNS_PER_MINUTE: '10000000',
  RATE_LIMIT_HEALTH_PER_MINUTE: '10000000',
  RATE_LIMIT_LOGIN_PER_MINUTE: '10000000',
  RATE_LIMIT_REFRESH_PER_MINUTE: '10000000',
  RATE_LIMIT_REGISTER_PER_HOUR: '10000000',
}
