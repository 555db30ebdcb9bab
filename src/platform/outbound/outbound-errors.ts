import { AppError } from '#kernel/app-error.js'

/** How deep a cause is looked for: the library wraps once, a list of attempts once more. */
const MAX_CAUSES = 5
/** Of c-ares: no server has answered, or we have given up. */
const LOOKUP_TIMEOUT_CODES = ['ETIMEOUT', 'ECANCELLED']
const TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', ...LOOKUP_TIMEOUT_CODES])
const HEADERS_TOO_LARGE_CODES = new Set(['UND_ERR_HEADERS_OVERFLOW', 'HPE_HEADER_OVERFLOW'])

/** What we do not send. @param detail for the tenant: never an address that a name stands for */
export function refused(detail: string, cause?: unknown): AppError {
  return new AppError('outbound_refused', 'invalid', { detail, cause })
}

export function timedOut(timeoutMs: number): AppError {
  return new AppError('outbound_timeout', 'upstream_failed', {
    detail: `The server did not answer in full within ${timeoutMs} ms.`,
  })
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError('outbound_too_large', 'upstream_failed', {
    detail: `The answer has more than ${maxBytes} bytes.`,
  })
}

/**
 * Words what the HTTP library has thrown. Its messages name addresses, which are ours to know: only the code of the failure
 * (`ECONNREFUSED`, `CERT_HAS_EXPIRED`) goes into the detail, the rest into the cause.
 */
export function toOutboundError(error: unknown): AppError {
  const causes = causesOf(error)
  const own = causes.find((cause) => cause instanceof AppError)
  if (own) return own
  const code = causes.map(codeOf).find((found) => found !== undefined) ?? 'unknown'
  if (TIMEOUT_CODES.has(code)) {
    return new AppError('outbound_timeout', 'upstream_failed', {
      detail: 'The host could not be reached.',
      cause: error,
    })
  }
  if (HEADERS_TOO_LARGE_CODES.has(code)) {
    return new AppError('outbound_too_large', 'upstream_failed', {
      detail: "The answer's headers are too large.",
      cause: error,
    })
  }
  return new AppError('outbound_failed', 'upstream_failed', { detail: `The request failed (${code}).`, cause: error })
}

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = []
  let next = error
  while (typeof next === 'object' && next !== null && causes.length < MAX_CAUSES) {
    causes.push(next)
    next = 'cause' in next ? next.cause : undefined
  }
  return causes
}

/** A system's or library's word for what went wrong, if the error has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' && /^[A-Z0-9_]+$/.test(error.code) ? error.code : undefined
}
