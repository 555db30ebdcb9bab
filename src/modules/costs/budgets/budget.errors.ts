import { AppError } from '#kernel/app-error.js'
import type { StandingBudget } from './budget.js'

/** The same for another tenant's and for one that never was. */
export function noSuchBudget(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such budget.' })
}

export function budgetExists(): AppError {
  return new AppError('budget_exists', 'conflict', {
    detail: 'There is a budget of this scope and period already: change that one.',
  })
}

export function budgetOfApiKey(): AppError {
  return new AppError('budget_of_api_key', 'conflict', {
    detail: 'This budget came with its API key and goes with it: make another key.',
  })
}

const ADVERBS = { day: 'for a day', week: 'for a week', month: 'for a month', total: 'in all' }

/** @param budget null: it is gone by now, and would not refuse any more */
export function budgetExceeded(budget: StandingBudget | null): AppError {
  return new AppError('budget_exceeded', 'payment_required', { detail: budget ? describe(budget) : GONE })
}

const GONE = 'A budget had no room for this.'

function describe({ scope, scopeId, period, limitUsd, spentUsd, reservedUsd, remainingUsd, id }: StandingBudget) {
  const whose = { tenant: 'your team', project: 'the project', agent: 'the agent', apiKey: 'the API key' }[scope]
  const name = scopeId === null ? whose : `${whose} ${scopeId}`
  return (
    `The budget of ${name} (${id}) has no room for this: ${limitUsd} US dollars ${ADVERBS[period]}, of which ${spentUsd} are ` +
    `spent and ${reservedUsd} reserved for calls under way; ${remainingUsd} are left.`
  )
}

/** Of the project that somebody wants to delete. */
export function projectHasBudgets(): AppError {
  return new AppError('project_in_use', 'conflict', { detail: 'It has budgets: delete those first, or archive it.' })
}
