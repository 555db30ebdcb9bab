import type { OutboundBody } from './request-check.js'

/** A request to a URL that a tenant gave. */
export interface OutboundRequest {
  readonly url: string | URL
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: OutboundBody
  /** For all of it, look-up and body included; never more than `OUTBOUND_TIMEOUT_MS`, which is the default. */
  readonly timeoutMs?: number
  /** Of the unpacked body; never more than `OUTBOUND_MAX_RESPONSE_BYTES`, which is the default. */
  readonly maxResponseBytes?: number
  /** true: a body that is too large is cut, and `isTruncated` says so; else it is `outbound_too_large`. */
  readonly truncate?: boolean
  readonly signal?: AbortSignal
}

export interface OutboundAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Unpacked. */
  readonly body: Buffer
  readonly isTruncated: boolean
}
