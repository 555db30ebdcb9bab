import type { StandingBudget } from './budget.js'
import type { Budget } from './budgets.schemas.js'

export function toBudget(budget: StandingBudget): Budget {
  const { id, scope, scopeId, period, limitUsd, alertPercents, isHard } = budget
  const { spentUsd, reservedUsd, remainingUsd, forecastUsd, periodStart, periodEnd } = budget
  return {
    id,
    scope,
    scopeId,
    period,
    limitUsd,
    alertPercents: [...alertPercents],
    hard: isHard,
    spentUsd,
    reservedUsd,
    remainingUsd,
    periodStart: period === 'total' ? null : periodStart.toISOString(),
    periodEnd: periodEnd && periodEnd.toISOString(),
    forecastUsd,
    createdAt: budget.createdAt.toISOString(),
    updatedAt: budget.updatedAt.toISOString(),
  }
}
