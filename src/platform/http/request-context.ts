import { AsyncLocalStorage } from 'node:async_hooks'

/** What every log line of a request carries. */
export interface RequestContext {
  readonly requestId: string
  readonly traceId?: string
  tenantId?: string
  userId?: string
}

/** Follows a request through every await; empty outside of one. */
export const requestContext = new AsyncLocalStorage<RequestContext>()
