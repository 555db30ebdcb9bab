import { z } from 'zod'
import { pageQueryShape, pageSchema } from '#platform/http/page.js'
import { BUDGET_PERIODS, BUDGET_SCOPES } from './budget.js'

const MAX_AMOUNT_LENGTH = 32
const AMOUNT_PATTERN = /^\d{1,12}(\.\d{1,12})?$/
const MAX_SCOPE_ID_LENGTH = 64
const MAX_ALERTS = 10
const MAX_ALERT_PERCENT = 1000
const DEFAULT_ALERT_PERCENTS = [50, 80, 100]

const timestamp = z.iso.datetime({ precision: 3 })
const amount = z
  .string()
  .max(MAX_AMOUNT_LENGTH)
  .regex(AMOUNT_PATTERN, { error: 'must be a decimal string such as "0.50"' })
const limitUsd = amount.describe('What may be spent in a period, in US dollars.')
const alertPercents = z
  .array(z.int().min(1).max(MAX_ALERT_PERCENT))
  .max(MAX_ALERTS)
  .refine((percents) => new Set(percents).size === percents.length, { error: 'must not name one twice' })
  .overwrite((percents) => percents.toSorted((a, b) => a - b))
  .describe('`budget.thresholdReached` tells when so much of the limit is spent, once each in a period.')
const hard = z.boolean().describe('Refuses calls that it has no room for, with 402; else it only tells.')

export const createBudgetSchema = z
  .strictObject({
    scope: z.enum(BUDGET_SCOPES).describe('Whose spending counts.'),
    scopeId: z
      .string()
      .min(1)
      .max(MAX_SCOPE_ID_LENGTH)
      .optional()
      .describe("The project's slug or id, the agent's slug, the API key's id; absent for the tenant."),
    period: z.enum(BUDGET_PERIODS).describe("On the clock of the tenant's time zone; weeks begin on Monday."),
    limitUsd,
    alertPercents: alertPercents.default(DEFAULT_ALERT_PERCENTS),
    hard: hard.default(true),
  })
  .meta({ id: 'CreateBudget' })
export type CreateBudgetCommand = z.infer<typeof createBudgetSchema>

export const changeBudgetSchema = z
  .strictObject({ limitUsd: limitUsd.optional(), alertPercents: alertPercents.optional(), hard: hard.optional() })
  .meta({ id: 'ChangeBudget' })
export type ChangeBudgetCommand = z.infer<typeof changeBudgetSchema>

export const budgetSchema = z
  .strictObject({
    id: z.uuid(),
    scope: z.enum(BUDGET_SCOPES),
    scopeId: z.string().nullable().describe('As it was named; null for the tenant.'),
    period: z.enum(BUDGET_PERIODS),
    limitUsd: z.string(),
    alertPercents: z.array(z.int()),
    hard: z.boolean(),
    spentUsd: z.string().describe('What is booked in this period; calls of models without a price are not in it.'),
    reservedUsd: z.string().describe('The worst that calls under way can cost.'),
    remainingUsd: z.string().describe('limitUsd − spentUsd − reservedUsd, and not below 0.'),
    periodStart: timestamp.nullable().describe('Null: it counts from the beginning.'),
    periodEnd: timestamp.nullable().describe('Null: it does not end.'),
    forecastUsd: z
      .string()
      .nullable()
      .describe('What will be spent by the end of the period if it goes on like this; null for `total`.'),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Budget' })
export type Budget = z.infer<typeof budgetSchema>

export const budgetListQuerySchema = z.strictObject(pageQueryShape)
export type BudgetListQuery = z.infer<typeof budgetListQuerySchema>
export const budgetPageSchema = pageSchema(budgetSchema).meta({ id: 'BudgetPage' })

/** Where a budget is shown. */
export function addressOf({ id }: { readonly id: string }): string {
  return `/v1/costs/budgets/${id}`
}
