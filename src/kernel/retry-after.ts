const MS_PER_SECOND = 1000

/**
 * How long a response asks us to wait: `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3), or OpenAI's finer
 * `retry-after-ms`. Null when it does not say, or says what cannot be read.
 */
export function readRetryAfterMs(
  headers: Readonly<Record<string, string | undefined>> | undefined,
  nowMs: number,
): number | null {
  const fine = toDelay(headers?.['retry-after-ms'], 1)
  if (fine !== null) return fine
  const value = headers?.['retry-after']
  const inSeconds = toDelay(value, MS_PER_SECOND)
  if (inSeconds !== null || value === undefined) return inSeconds
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs)
}

function toDelay(value: string | undefined, unitMs: number): number | null {
  return value !== undefined && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) * unitMs : null
}
