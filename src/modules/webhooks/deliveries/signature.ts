import { createHmac } from 'node:crypto'

export interface Signed {
  /** `webhook-id` */
  readonly id: string
  /** Of this attempt: receivers refuse what is older than some minutes. */
  readonly at: Date
  readonly body: string
}

/**
 * The headers of a delivery by Standard Webhooks 1.0.0: one HMAC-SHA256 over `id.timestamp.body` for each key that is valid, the
 * current one first.
 */
export function signedHeaders({ id, at, body }: Signed, keys: readonly Buffer[]): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000)
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  )
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}
