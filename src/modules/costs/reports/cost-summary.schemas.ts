import { z } from 'zod'
import { costFilterShape } from './cost-filter.schemas.js'

/** What costs can be told apart by. */
export const SUMMARY_KEYS = ['agent', 'model', 'project', 'user', 'apiKey', 'day', 'hour'] as const
export type SummaryKey = (typeof SUMMARY_KEYS)[number]
export const MAX_SUMMARY_GROUPS = 10_000
export const DEFAULT_RANGE_DAYS = 30

const ANY_KEY = `(${SUMMARY_KEYS.join('|')})`
const amount = z.string().describe('Decimal string.')
const hits = z.int().describe('Calls that kept answers took the place of.')
const unpriced = z.int().describe('Executions whose model has no price: they are not in the cost.')
const timestamp = z.iso.datetime({ precision: 3 })

export const costSummaryQuerySchema = z.strictObject({
  ...costFilterShape,
  from: costFilterShape.from.describe(`Inclusive; ${DEFAULT_RANGE_DAYS} days before \`to\` unless said.`),
  to: costFilterShape.to.describe('Exclusive; the end of this hour unless said.'),
  groupBy: z
    .string()
    .max(100)
    .regex(new RegExp(`^${ANY_KEY}(,${ANY_KEY})*$`), {
      error: `must be of ${SUMMARY_KEYS.join(', ')}, with commas between`,
    })
    .optional()
    .describe(
      `Of ${SUMMARY_KEYS.map((key) => `\`${key}\``).join(', ')}, with commas between. Without it there are totals alone.`,
    ),
})
export type CostSummaryQuery = z.infer<typeof costSummaryQuerySchema>

const groupSchema = z.strictObject({
  key: z
    .strictObject({
      agent: z.string(),
      model: z.string(),
      project: z.string().nullable().describe('Slug.'),
      user: z.uuid().nullable(),
      apiKey: z.uuid().nullable(),
      day: z
        .string()
        .regex(/^\d{4}-\d\d-\d\d$/)
        .describe('UTC, `YYYY-MM-DD`.'),
      hour: timestamp.describe('When it begins.'),
    })
    .partial()
    .describe('What was grouped by.'),
  costUsd: amount,
  inputTokens: z.int(),
  cachedInputTokens: z.int().describe('Part of `inputTokens`.'),
  outputTokens: z.int(),
  executions: z.int().describe('Model calls.'),
  unpriced,
  cacheHits: hits,
  savedUsd: amount,
})
export type CostGroup = z.infer<typeof groupSchema>

export const costSummarySchema = z
  .strictObject({
    from: timestamp,
    to: timestamp,
    totalCostUsd: amount,
    totalTokens: z.int().describe('Input and output.'),
    executions: z.int().describe('Model calls, each booked once.'),
    unpriced,
    cacheHits: hits,
    savedUsd: amount.describe('What these calls had cost. Kept by the hour: an hour counts where it begins.'),
    groups: z.array(groupSchema).describe('By time where that is asked for, then the most expensive first.'),
  })
  .meta({ id: 'CostSummary' })
export type CostSummary = z.infer<typeof costSummarySchema>
