import type { Answer, Failure } from './behaviour.ts'
import type { SimulatedRequest } from './request.ts'
import type { Usage } from './usage.ts'

/** One SSE event, as it goes on the wire. */
export interface Frame {
  readonly text: string
  /** Whether `tokensPerSecond` paces it. */
  readonly isToken: boolean
  /** What the client knows of the usage once it has read this frame. */
  readonly reports?: Partial<Usage>
}

/** How a provider's API words an answer. */
export interface Dialect {
  /** The body of a whole answer, which reports all of `reportable(answer.usage)`. */
  complete(request: SimulatedRequest, answer: Answer): object
  stream(request: SimulatedRequest, answer: Answer): Frame[]
  /** The part of the usage that this API can express. */
  reportable(usage: Usage): Usage
  failure(status: number): object
  /** What the provider says of a request that it does not understand; null: it does. */
  refusalOf(request: SimulatedRequest): Failure | null
}
