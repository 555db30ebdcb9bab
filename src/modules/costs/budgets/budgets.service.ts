import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { noSuchBudget } from './budget.errors.js'
import { toBudget } from './budget-view.js'
import { BudgetsRepository } from './budgets.repository.js'
import type { Budget, BudgetListQuery } from './budgets.schemas.js'

/** A tenant's budgets, for those who look at them. */
@Injectable()
export class Budgets {
  constructor(
    private readonly repository: BudgetsRepository,
    private readonly clock: Clock,
  ) {}

  /** Newest first, those of API keys among them. */
  async list({ tenantId }: Pick<Principal, 'tenantId'>, { limit, cursor }: BudgetListQuery): Promise<Page<Budget>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.repository.list(tenantId, { after, limit: limit + 1 }, this.clock.now())
    return toPage(rows.map(toBudget), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found` */
  async get({ tenantId }: Pick<Principal, 'tenantId'>, id: string): Promise<Budget> {
    const row = isUuid(id) ? await this.repository.find({ tenantId, id }, this.clock.now()) : null
    if (!row) throw noSuchBudget()
    return toBudget(row)
  }
}
