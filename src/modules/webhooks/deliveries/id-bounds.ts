/** Of a UUIDv7: its first 48 bits are the time in ms (RFC 9562 §5.7). */
const MAX_ID_TIME_MS = 2 ** 48 - 1
const TIME_HEX_DIGITS = 12
/** How far an id's time may be from its row's `created_at`: ids of a burst are ahead of it, clocks of replicas differ. */
const SLACK_MS = 60_000

/** The first of all ids of rows that were created at or after `moment`: for an index of ids; `created_at` says it exactly. */
export function firstIdSince(moment: Date): string {
  return firstIdAt(moment.getTime() - SLACK_MS)
}

/** After the ids of all rows that were created before `moment`. */
export function firstIdAfter(moment: Date): string {
  return firstIdAt(moment.getTime() + SLACK_MS)
}

function firstIdAt(ms: number): string {
  const time = Math.min(Math.max(ms, 0), MAX_ID_TIME_MS).toString(16).padStart(TIME_HEX_DIGITS, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`
}
