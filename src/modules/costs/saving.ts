/** A call that a kept answer took the place of. */
export interface Saving {
  readonly tenantId: string
  readonly projectId: string | null
  readonly agent: string
  readonly model: string
  readonly userId: string | null
  readonly apiKeyId: string | null
  /** What the call that made the answer had cost; null: unpriced. */
  readonly savedUsd: string | null
}
