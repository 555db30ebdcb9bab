import { hash } from 'node:crypto'
import type { Principal } from '../principal.js'
import type { CacheRule } from './cache-rule.js'

/** What an answer depends on, beside time. */
export interface CacheableRequest {
  /** The template: `/v1/agents/:slug`. */
  readonly route: string
  readonly params: unknown
  readonly query: unknown
}

/** @param epochs the current ones of the rule's tags, so that an answer from before a write is never found again */
export function cacheKeyOf(
  { route, params, query }: CacheableRequest,
  { principal, rule, epochs }: { principal: Principal; rule: CacheRule; epochs: string },
): string {
  const parts = [principal.tenantId, ...sharersOf(principal, rule), route, sorted(params), sorted(query), epochs]
  return `response:${hash('sha256', JSON.stringify(parts), 'base64url')}`
}

function sharersOf({ apiKeyId, userId, role, permissions }: Principal, { sharedBy }: CacheRule): string[] {
  return sharedBy === 'principal' ? [apiKeyId ?? userId] : [role, [...permissions].sort().join()]
}

function sorted(values: unknown): [string, unknown][] {
  return Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
}
