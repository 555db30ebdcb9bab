import { z } from 'zod'
import { BUDGET_PERIODS, BUDGET_SCOPES, BudgetExceeded, BudgetThresholdReached } from '#modules/costs'
import { type PublicEvent, publicEvent } from './public-event.js'

const budgetShape = {
  budgetId: z.uuid(),
  scope: z.enum(BUDGET_SCOPES),
  scopeId: z.string().nullable().meta({ description: 'as the budget names it; null: the tenant' }),
  period: z.enum(BUDGET_PERIODS),
  periodStart: z.iso.datetime().nullable().meta({ description: 'null: it counts from the beginning' }),
  limitUsd: z.string().meta({ description: 'decimal' }),
  spentUsd: z.string().meta({ description: 'decimal; when it was found out' }),
}
const thresholdSchema = z.strictObject({ ...budgetShape, percent: z.int() })
const exceededSchema = z.strictObject(budgetShape)

const budgetExample = {
  budgetId: '0199f1d5-1c2d-7e3f-8a4b-5c6d7e8f9012',
  scope: 'project',
  scopeId: 'website',
  period: 'month',
  periodStart: '2026-11-01T00:00:00.000Z',
  limitUsd: '100',
} as const

export const BUDGET_EVENTS: readonly PublicEvent[] = [
  publicEvent({
    type: 'budget.thresholdReached',
    description: 'So many percent of a budget are spent. Once for each of its percents in a period.',
    schema: thresholdSchema,
    example: { ...budgetExample, spentUsd: '80.0125', percent: 80 },
    eventClass: BudgetThresholdReached,
    select: ({ budget, percent }: BudgetThresholdReached) => ({ ...factsOf(budget), percent }),
  }),
  publicEvent({
    type: 'budget.exceeded',
    description: 'A budget is spent, or has refused something that it had no room for. Once in a period.',
    schema: exceededSchema,
    example: { ...budgetExample, spentUsd: '99.87' },
    eventClass: BudgetExceeded,
    select: ({ budget }: BudgetExceeded) => factsOf(budget),
  }),
]

function factsOf(facts: BudgetExceeded['budget']) {
  const { budgetId, scope, scopeId, period, periodStart, limitUsd, spentUsd } = facts
  return { budgetId, scope, scopeId, period, periodStart: periodStart && periodStart.toISOString(), limitUsd, spentUsd }
}
