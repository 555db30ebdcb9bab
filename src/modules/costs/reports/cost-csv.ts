import { type CsvCell, toCsvLine } from '#kernel/csv.js'
import type { CostEntry } from './cost-entries.schemas.js'

const COLUMNS: readonly (readonly [name: string, read: (entry: CostEntry) => CsvCell])[] = [
  ['id', (entry) => entry.id],
  ['createdAt', (entry) => entry.createdAt],
  ['runId', (entry) => entry.runId],
  ['project', (entry) => entry.project],
  ['agent', (entry) => entry.agent],
  ['model', (entry) => entry.model],
  ['userId', (entry) => entry.userId],
  ['apiKeyId', (entry) => entry.apiKeyId],
  ['step', (entry) => entry.step],
  ['isEstimated', (entry) => entry.isEstimated],
  ['inputTokens', (entry) => entry.inputTokens],
  ['cachedInputTokens', (entry) => entry.cachedInputTokens],
  ['cacheWriteTokens', (entry) => entry.cacheWriteTokens],
  ['outputTokens', (entry) => entry.outputTokens],
  ['reasoningTokens', (entry) => entry.reasoningTokens],
  ['inputUsdPerMillion', (entry) => entry.prices.inputUsdPerMillion],
  ['cachedInputUsdPerMillion', (entry) => entry.prices.cachedInputUsdPerMillion],
  ['cacheWriteUsdPerMillion', (entry) => entry.prices.cacheWriteUsdPerMillion],
  ['outputUsdPerMillion', (entry) => entry.prices.outputUsdPerMillion],
  ['reasoningUsdPerMillion', (entry) => entry.prices.reasoningUsdPerMillion],
  ['costUsd', (entry) => entry.costUsd],
]

export const COST_CSV_HEADER = toCsvLine(COLUMNS.map(([name]) => name))

/** One entry as a line of CSV; the cell of what is null is empty. */
export function toCostCsvLine(entry: CostEntry): string {
  return toCsvLine(COLUMNS.map(([, read]) => read(entry)))
}
