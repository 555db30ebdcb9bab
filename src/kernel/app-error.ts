/** What went wrong, as far as a caller's next move is concerned. Sets status, log level and whether a job retries. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'payment_required'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'conflict'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'unprocessable'
  | 'rate_limited'
  | 'internal'
  | 'upstream_failed'
  | 'unavailable'

/** One refused input: a JSON Pointer (RFC 6901) into what the client sent, and why. */
export interface FieldError {
  readonly pointer: string
  readonly detail: string
}

export interface AppErrorOptions {
  /** Shown to the client: say what to change. Never put a secret or an internal name in it. */
  readonly detail?: string
  readonly errors?: readonly FieldError[]
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

/** The one error of the house. `code` is the contract's stable word (`email_taken`); `kind` decides the HTTP status. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly detail: string | undefined
  readonly errors: readonly FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(
    readonly code: string,
    readonly kind: ErrorKind,
    options: AppErrorOptions = {},
  ) {
    super(options.detail ? `${code}: ${options.detail}` : code, { cause: options.cause })
    this.detail = options.detail
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** A 400 `validation_failed` for one field. */
export function invalidField(pointer: string, detail: string): AppError {
  return new AppError('validation_failed', 'invalid', {
    detail: 'The request has invalid fields.',
    errors: [{ pointer, detail }],
  })
}
