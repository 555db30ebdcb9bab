import { hash } from 'node:crypto'

/** What makes two requests the same one. */
export interface HashedRequest {
  readonly principalId: string
  readonly method: string
  /** The template: `/v1/agents/:slug/run`. */
  readonly route: string
  readonly params: unknown
  readonly query: unknown
  /** As it was parsed: white space and the order of keys do not count. */
  readonly body: unknown
}

/** SHA-256 of a request. */
export function hashRequest({ principalId, method, route, params, query, body }: HashedRequest): Buffer {
  return hash('sha256', canonicalText([principalId, method, route, params, query, body]), 'buffer')
}

/**
 * One text for each JSON value, whatever the order of its keys. Lengths stand before lists and objects, so that no two
 * values share a text. It does not recurse: a body may be nested a hundred thousand deep.
 */
function canonicalText(value: unknown): string {
  const parts: string[] = []
  const pending = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (Array.isArray(next)) {
      parts.push(`[${next.length}`)
      for (const item of next) pending.push(item)
    } else if (typeof next === 'object' && next !== null) {
      const entries = Object.entries(next).sort(([a], [b]) => (a < b ? -1 : 1))
      parts.push(`{${entries.length}`)
      for (const [key, item] of entries) pending.push(item, key)
    } else {
      parts.push(JSON.stringify(next) ?? 'undefined')
    }
  }
  return parts.join(',')
}
