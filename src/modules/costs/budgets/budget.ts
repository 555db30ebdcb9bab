import type { BudgetTarget } from '../rules/spending-rules.js'

export const BUDGET_SCOPES = ['tenant', 'project', 'agent', 'apiKey'] as const
export type BudgetScope = BudgetTarget['scope']

export const BUDGET_PERIODS = ['day', 'week', 'month', 'total'] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

/** What one may be changed in. */
export interface BudgetTerms {
  /** Decimal string in US dollars. */
  readonly limitUsd: string
  /** Ascending, each once. */
  readonly alertPercents: readonly number[]
  /** Refuses calls that it has no room for; else it only tells. */
  readonly isHard: boolean
}

/** What may be spent, by whom, in what time. */
export interface BudgetRecord extends BudgetTerms, BudgetTarget {
  readonly tenantId: string
  readonly id: string
  /** As the tenant named it; null for the tenant itself. */
  readonly scopeId: string | null
  readonly period: BudgetPeriod
  /** Came with its API key, and goes with it. */
  readonly isOfKey: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** Where a budget stands in its current period. */
export interface BudgetStanding {
  readonly periodStart: Date
  /** Null: it never ends. */
  readonly periodEnd: Date | null
  readonly spentUsd: string
  readonly reservedUsd: string
  readonly remainingUsd: string
  readonly forecastUsd: string | null
}

export type StandingBudget = BudgetRecord & BudgetStanding

/** Which budget it is, and how it stood when it had something to tell. */
export interface BudgetAlertFacts {
  readonly budgetId: string
  readonly scope: BudgetScope
  readonly scopeId: string | null
  readonly period: BudgetPeriod
  /** Null: it counts from the beginning. */
  readonly periodStart: Date | null
  readonly limitUsd: string
  readonly spentUsd: string
}
