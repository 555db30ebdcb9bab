import { settingsSchema } from '#platform/config/settings.js'

const UNREACHABLE = '10000000'
const limitNames = Object.keys(settingsSchema.shape).filter((name) => name.startsWith('RATE_LIMIT_'))
const defaults: Record<string, unknown> = settingsSchema.parse({})

/** Every rate limit out of reach: most tests send more requests in a second than a person in an hour. */
export const UNLIMITED: Readonly<Record<string, string>> = Object.fromEntries(
  limitNames.map((name) => [name, UNREACHABLE]),
)

/** The limits that an operator gets who sets none; but no account locks, which other tests look at. */
export const DEFAULT_LIMITS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(limitNames.map((name) => [name, String(defaults[name])])),
  LOGIN_LOCKOUT_AFTER_FAILURES: '1000',
}
