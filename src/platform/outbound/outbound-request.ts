import type { AppError } from '#kernel/app-error.js'
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
  /** Unpacked, where it is of `request`. */
  readonly body: Buffer
  readonly isTruncated: boolean
}

/** A request to a URL that a tenant gave, of which each answer is cut at its limit and none is unpacked. */
export interface OutboundMessage extends Omit<OutboundRequest, 'body' | 'truncate'> {
  readonly body?: string | Uint8Array
}

/** Its body is as it came, packed or not. */
export interface OutboundReply extends OutboundAnswer {
  /** Why the body, which is empty then, did not come: `outbound_failed` or `outbound_timeout`. */
  readonly failure: AppError | null
}
