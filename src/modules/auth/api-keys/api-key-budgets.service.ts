import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Usd } from '#kernel/usd.js'
import type { Tx } from '#platform/database/tx.js'
import type { Principal } from '#platform/http/principal.js'
import { ApiKeySpending } from './api-key-spending.js'
import { ApiKeysRepository } from './api-keys.repository.js'

/** Holds API keys to their budgets. */
@Injectable()
export class ApiKeyBudgets {
  constructor(
    private readonly keys: ApiKeysRepository,
    private readonly spending: ApiKeySpending,
  ) {}

  /**
   * Refuses a key that has spent its budget. It looks at what is booked: nothing is reserved, so runs that are under way
   * at the same time can bring a key beyond its budget by what they cost.
   * @throws AppError `budget_exceeded`
   */
  async assertLeft({ tenantId, apiKeyId }: Pick<Principal, 'tenantId' | 'apiKeyId'>, tx: Tx): Promise<void> {
    if (apiKeyId === null) return
    const key = await this.keys.findBudget(tenantId, apiKeyId, tx)
    if (!key) throw new AppError('unauthenticated', 'unauthenticated', { detail: 'This API key is not valid.' })
    if (key.budgetUsd === null) return
    const budget = Usd.parse(key.budgetUsd)
    const spent = await this.spending.total({ tenantId, id: apiKeyId }, tx)
    if (!spent.isAtLeast(budget)) return
    throw new AppError('budget_exceeded', 'payment_required', {
      detail: `This API key has spent ${spent.toString()} of its budget of ${budget.toString()} US dollars.`,
    })
  }
}
