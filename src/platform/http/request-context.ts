import { AsyncLocalStorage } from 'node:async_hooks'

/** What every log line of a request carries, and what its audit rows say of it. */
export interface RequestContext {
  readonly requestId: string
  readonly traceId?: string
  readonly method?: string
  /** The template, as in the metrics. */
  readonly route?: string
  /** Who is at the other end, past trusted proxies. */
  readonly address?: string
  tenantId?: string
  userId?: string
  apiKeyId?: string
}

/** Follows a request through every await; empty outside of one. */
export const requestContext = new AsyncLocalStorage<RequestContext>()
