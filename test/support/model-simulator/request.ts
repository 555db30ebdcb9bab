import type { IncomingHttpHeaders } from 'node:http'
import type { Usage } from './usage.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** A request for a completion, as it came. */
export interface SimulatedRequest {
  /** 1-based, in order of arrival. */
  readonly id: number
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: JsonObject
  readonly model: string
  readonly isStream: boolean
  /** Milliseconds since the epoch. */
  readonly receivedAt: number
  /** The text of the system prompt and of all messages. */
  readonly text: string
  readonly lastUserText: string
}

/**
 * `pending`: not answered yet, or hanging. `answered`: in full, an error status included. `hung-up`: by the simulator.
 * `disconnected`: by the client, before it was answered in full.
 */
export type Outcome = 'pending' | 'answered' | 'hung-up' | 'disconnected'

/** A request and what became of it; changes until `outcome` is no longer `pending`. */
export class RecordedRequest implements SimulatedRequest {
  readonly id: number
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: JsonObject
  readonly receivedAt: number
  /** Null until the headers are sent. */
  status: number | null = null
  outcome: Outcome = 'pending'
  /** The tokens that the client was told of so far; null when none were reported. */
  usage: Usage | null = null
  /** When the first token of a stream was written, in milliseconds since the epoch with their fraction. */
  firstTokenAt: number | null = null

  constructor(request: Pick<SimulatedRequest, 'id' | 'path' | 'headers' | 'body'>) {
    this.id = request.id
    this.path = request.path
    this.headers = request.headers
    this.body = request.body
    this.receivedAt = Date.now()
  }

  get model(): string {
    return typeof this.body['model'] === 'string' ? this.body['model'] : ''
  }

  get isStream(): boolean {
    return this.body['stream'] === true
  }

  get text(): string {
    return textOf([this.body['system'], this.body['messages']])
  }

  get lastUserText(): string {
    const messages = Array.isArray(this.body['messages']) ? this.body['messages'] : []
    return textOf(messages.findLast((message) => isJsonObject(message) && message['role'] === 'user'))
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of messages and their parts in either dialect, one part a line. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(textOf).filter(Boolean).join('\n')
  return isJsonObject(value) ? textOf(value['text'] ?? value['content']) : ''
}
