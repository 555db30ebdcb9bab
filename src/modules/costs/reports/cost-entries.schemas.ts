import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { costFilterShape } from './cost-filter.schemas.js'

const price = z.string().nullable().describe('Decimal string; null: it had none of its own.')

export const costEntrySchema = z
  .strictObject({
    id: z.uuid(),
    runId: z.uuid(),
    project: z.string().nullable().describe('Slug.'),
    agent: z.string(),
    model: z.string(),
    userId: z.uuid().nullable(),
    apiKeyId: z.uuid().nullable(),
    step: z.int().nullable().describe("The run's step that made the call."),
    isEstimated: z.boolean().describe('We counted: the provider could not tell.'),
    inputTokens: z.int(),
    cachedInputTokens: z.int().describe('Part of `inputTokens`.'),
    cacheWriteTokens: z.int().describe("Part of `inputTokens`: put into the provider's cache."),
    outputTokens: z.int(),
    reasoningTokens: z.int().describe('Part of `outputTokens`.'),
    prices: z
      .strictObject({
        inputUsdPerMillion: price,
        cachedInputUsdPerMillion: price,
        cacheWriteUsdPerMillion: price,
        outputUsdPerMillion: price,
        reasoningUsdPerMillion: price,
      })
      .describe('What it was priced with.'),
    costUsd: z.string().nullable().describe('Decimal string; null: the model has no price.'),
    createdAt: z.iso.datetime({ precision: 3 }),
  })
  .meta({ id: 'CostEntry' })
export type CostEntry = z.infer<typeof costEntrySchema>

const filterShape = {
  ...costFilterShape,
  runId: z.uuid().optional(),
  unpriced: z.enum(['true', 'false']).optional().describe('Only those without a price, or only those with one.'),
}

const IS_IN_ORDER = { path: ['from'], error: 'must not be later than `to`' }

export const costEntryFilterSchema = z.strictObject(filterShape).refine(isInOrder, IS_IN_ORDER)
export type CostEntryFilter = z.infer<typeof costEntryFilterSchema>
export const costEntryListQuerySchema = z
  .strictObject({ ...filterShape, ...pageQueryShape })
  .refine(isInOrder, IS_IN_ORDER)
export type CostEntryListQuery = z.infer<typeof costEntryListQuerySchema>
export const costEntryPageSchema = pageSchema(costEntrySchema).meta({ id: 'CostEntryPage' })

function isInOrder({ from, to }: { from?: string | undefined; to?: string | undefined }): boolean {
  return from === undefined || to === undefined || Date.parse(from) <= Date.parse(to)
}
