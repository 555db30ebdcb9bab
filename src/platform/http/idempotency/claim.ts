import { AsyncLocalStorage } from 'node:async_hooks'

/** What a request was answered with. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Null: no body. */
  readonly body: Buffer | null
}

/** One attempt's hold on an idempotency key. */
export interface Claim {
  readonly tenantId: string
  readonly key: string
  /** Rises with every attempt: who holds an older number writes nothing any more. */
  readonly fencingNumber: number
  /** What an earlier attempt, which did not live to answer, has created already. */
  readonly resourceId: string | null
  /** Set once an answer has been committed with the write itself. */
  answer?: Answer
}

/** The claim of the request at hand. Apart from the request's context, which goes into every log line. */
export const currentClaim = new AsyncLocalStorage<Claim>()
