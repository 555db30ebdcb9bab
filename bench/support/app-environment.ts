/**
 * Settings of our app that every case runs with, beside PORT, HOST, DATA_DIR, DATABASE_URL and the model's.
 * The one place for them: what a case must switch off to measure at all (a rate limit), and nothing that makes us faster.
 */
export const appEnvironment: Readonly<Record<string, string>> = {
  LOG_LEVEL: 'warn',
}
