import type { TimePlace } from '#kernel/time-place.js'
import type { CostEntry } from './cost-entries.schemas.js'

/** An entry as it is read; numbers of any size are text, amounts as they are answered. */
export interface CostEntryRow {
  readonly id: string
  readonly runId: string
  readonly project: string | null
  readonly agent: string
  readonly model: string
  readonly userId: string | null
  readonly apiKeyId: string | null
  readonly step: number | null
  readonly isEstimated: boolean
  readonly inputTokens: string
  readonly cachedInputTokens: string
  readonly cacheWriteTokens: string
  readonly outputTokens: string
  readonly reasoningTokens: string
  readonly inputUsdPerMillion: string | null
  readonly cachedInputUsdPerMillion: string | null
  readonly cacheWriteUsdPerMillion: string | null
  readonly outputUsdPerMillion: string | null
  readonly reasoningUsdPerMillion: string | null
  readonly costUsd: string | null
  readonly createdAt: Date
  /** To the microsecond. */
  readonly createdAtExact: string
}

export function toEntry(row: CostEntryRow): CostEntry {
  return {
    id: row.id,
    runId: row.runId,
    project: row.project,
    agent: row.agent,
    model: row.model,
    userId: row.userId,
    apiKeyId: row.apiKeyId,
    step: row.step,
    isEstimated: row.isEstimated,
    inputTokens: Number(row.inputTokens),
    cachedInputTokens: Number(row.cachedInputTokens),
    cacheWriteTokens: Number(row.cacheWriteTokens),
    outputTokens: Number(row.outputTokens),
    reasoningTokens: Number(row.reasoningTokens),
    prices: {
      inputUsdPerMillion: row.inputUsdPerMillion,
      cachedInputUsdPerMillion: row.cachedInputUsdPerMillion,
      cacheWriteUsdPerMillion: row.cacheWriteUsdPerMillion,
      outputUsdPerMillion: row.outputUsdPerMillion,
      reasoningUsdPerMillion: row.reasoningUsdPerMillion,
    },
    costUsd: row.costUsd,
    createdAt: row.createdAt.toISOString(),
  }
}

/** Where a list goes on after it. */
export function placeOf({ createdAtExact, id }: CostEntryRow): TimePlace {
  return { at: createdAtExact, id }
}
