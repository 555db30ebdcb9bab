/** Metadata key of a route's rule. */
export const CACHE_RULE_METADATA = 'temponest:cache-answer'

const SECOND_MS = 1000

/** Tag of answers that sum up what a tenant has, such as the dashboard. */
export const FIGURES_TAG = 'metrics'

/**
 * How long an answer of each kind is kept at most. Invalidation makes the cache exact; this bounds what a forgotten
 * invalidation could cost, and how long what nobody asks for takes up room.
 */
export const CACHE_KINDS = {
  /** What changes with a release or an administrator's edit, such as agents. */
  catalogue: { ttlMs: 300 * SECOND_MS },
  /** Who and what belongs to a tenant, such as members. */
  directory: { ttlMs: 60 * SECOND_MS },
  /** Figures of what changes all the time. Nobody says when: this is how old they can be. */
  metrics: { ttlMs: 30 * SECOND_MS },
} as const
export type CacheKind = keyof typeof CACHE_KINDS

export interface CacheRule {
  readonly kind: CacheKind
  /** What the answer shows, in words that writes invalidate by: `agents`, `members`. */
  readonly tags: readonly string[]
  /**
   * Who shares an answer. `permissions`: all who may do the same in the tenant; `principal`: nobody, for what depends on who
   * asks.
   */
  readonly sharedBy: 'permissions' | 'principal'
}
