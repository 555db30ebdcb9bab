/** The preference of who does not wait at all. */
export const RESPOND_ASYNC = 'respond-async'

const DEFAULT_WAIT_SECONDS = 60
const MAX_WAIT_SECONDS = 300

/** How long a caller wants to wait for a result (RFC 7240): seconds, 0 for `respond-async`. */
export interface WaitPreference {
  readonly waitSeconds: number
  /** For `Preference-Applied`; undefined when the caller stated nothing that we know. */
  readonly applied: string | undefined
}

/** Reads `Prefer`. What it does not understand it ignores, as the RFC has it; longer waits are cut to five minutes. */
export function parseWaitPreference(header: string | undefined): WaitPreference {
  const preferences = (header ?? '')
    .split(',')
    .map((preference) => preference.split(';', 1)[0]?.trim().toLowerCase() ?? '')
  if (preferences.includes(RESPOND_ASYNC)) return { waitSeconds: 0, applied: RESPOND_ASYNC }
  for (const preference of preferences) {
    const seconds = /^wait\s*=\s*"?(\d{1,9})"?$/.exec(preference)?.[1]
    if (seconds === undefined) continue
    const waitSeconds = Math.min(Number(seconds), MAX_WAIT_SECONDS)
    return { waitSeconds, applied: `wait=${waitSeconds}` }
  }
  return { waitSeconds: DEFAULT_WAIT_SECONDS, applied: undefined }
}
