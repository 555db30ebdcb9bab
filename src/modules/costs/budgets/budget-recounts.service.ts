import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { BudgetsRepository } from './budgets.repository.js'

/** Counts budgets anew when their periods begin at another moment. */
@Injectable()
export class BudgetRecounts {
  constructor(
    private readonly repository: BudgetsRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * All of a tenant's, last thing before `tx` commits: after its audited events, which whoever books writes before he counts, too.
   * To be called behind them, in the tenant's scope.
   */
  recountAll(tenantId: string, tx: Tx): void {
    tx.beforeCommit(() => this.repository.recountAll(tenantId, this.clock.now(), tx))
  }
}
