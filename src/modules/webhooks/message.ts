import { newId } from '#kernel/ids.js'

/** What endpoints are told of one event, as it is signed and sent. */
export interface Message {
  /** The `webhook-id`: the same in every attempt, for every endpoint, in every replay. */
  readonly id: string
  readonly type: string
  /** The exact text of the body. */
  readonly body: string
  readonly occurredAt: Date
}

/** A message by Standard Webhooks 1.0.0: `{ type, timestamp, data }`. */
export function toMessage(type: string, data: object, occurredAt: Date): Message {
  const body = JSON.stringify({ type, timestamp: occurredAt.toISOString(), data })
  return { id: `msg_${newId().replaceAll('-', '')}`, type, body, occurredAt }
}
