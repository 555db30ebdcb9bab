import { z } from 'zod'
import { modelNameSchema } from '#modules/agents'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { momentSchema } from '#platform/time/moment.schemas.js'
import { statedAmountsShape } from './stated-amounts.js'

const PRICE_SOURCES = ['tenant', 'operator', 'catalogue', 'built-in'] as const

const usd = z.string().describe('Decimal string.')

export const modelPriceSchema = z
  .strictObject({
    model: z.string().describe('`provider/model`'),
    source: z
      .enum(PRICE_SOURCES)
      .describe("Who says so: the tenant itself, else the server's operator, else a published catalogue."),
    inputUsdPerMillion: usd,
    cachedInputUsdPerMillion: usd,
    cacheWriteUsdPerMillion: usd,
    outputUsdPerMillion: usd,
    reasoningUsdPerMillion: usd,
    effectiveFrom: z.iso.datetime({ precision: 3 }).nullable().describe('Null: it always has.'),
  })
  .meta({ id: 'ModelPrice' })
export type ModelPrice = z.infer<typeof modelPriceSchema>

export const modelPricePageSchema = pageSchema(modelPriceSchema)

export const modelPricesSchema = z
  .strictObject({
    model: z.string(),
    current: modelPriceSchema.nullable().describe('What holds now; null: all versions are to come.'),
    versions: z
      .array(modelPriceSchema)
      .describe("The tenant's own, the newest 100, those to come among them. Each holds until the next one."),
  })
  .meta({ id: 'ModelPrices' })
export type ModelPrices = z.infer<typeof modelPricesSchema>

export const priceListQuerySchema = z.strictObject({
  model: modelNameSchema.optional(),
  source: z.enum(PRICE_SOURCES).optional(),
  ...pageQueryShape,
})
export type PriceListQuery = z.infer<typeof priceListQuerySchema>

export const setPriceSchema = z
  .strictObject({
    ...statedAmountsShape,
    effectiveFrom: momentSchema
      .optional()
      .describe('Absent: now. In the future, it holds from then on; in the past, it matters to re-rating.'),
  })
  .meta({ id: 'SetModelPrice' })
export type SetPriceCommand = z.infer<typeof setPriceSchema>

/** The full name of a model that a path names in two parts; null when none can have that name. */
export function readModelName(provider: string, model: string): string | null {
  return modelNameSchema.safeParse(`${provider}/${model}`).data ?? null
}
