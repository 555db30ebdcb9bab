/**
 * `refused`: the provider answered with an error status. `unreachable`: no answer came. `broken`: it broke off, or did not
 * parse. `silent`: nothing came for too long. `timeout`: the model's time is up. `excessive`: more came than is kept.
 * `unusable`: its client cannot make this call. `unserved`: its provider is not configured. `circuit_open`: it failed too
 * often to be asked now. `aborted`: by the caller.
 */
export type ModelFailureReason =
  | 'refused'
  | 'unreachable'
  | 'broken'
  | 'silent'
  | 'timeout'
  | 'excessive'
  | 'unusable'
  | 'unserved'
  | 'circuit_open'
  | 'aborted'

export interface ModelFailureOptions {
  /** Of HTTP, when `refused`. */
  readonly status?: number
  /** How long the provider asks us to wait. */
  readonly retryAfterMs?: number | null
  /** Whether anything of an answer had come before. */
  readonly hadBegun?: boolean
  readonly cause?: unknown
}

/** One try of one model that gave no answer. Its message may hold the provider's words: see `describeProviderFailure`. */
export class ModelFailure extends Error {
  override readonly name = 'ModelFailure'
  readonly status: number | null
  readonly retryAfterMs: number | null
  readonly hadBegun: boolean

  constructor(
    readonly reason: ModelFailureReason,
    message: string,
    { status, retryAfterMs, hadBegun, cause }: ModelFailureOptions = {},
  ) {
    super(message, { cause })
    this.status = status ?? null
    this.retryAfterMs = retryAfterMs ?? null
    this.hadBegun = hadBegun ?? false
  }

  /** Says something about the provider, and not about us, our request or its rate: these open a circuit. */
  get isOutage(): boolean {
    if (this.reason === 'refused') return (this.status ?? 0) >= 500
    return ['unreachable', 'broken', 'silent', 'timeout'].includes(this.reason)
  }
}
