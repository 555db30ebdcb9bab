import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { PRICE_COLUMNS, type PriceRow, toPriceVersion } from '../prices/price-version.js'
import type { BudgetTarget, StatedRules } from './spending-rules.js'

/** A call is priced by when it began, also by whoever takes its run over: this long after that, at most. */
const MAX_DAYS_OF_CALL = 31

/** What a tenant has said of its money. */
@Injectable()
export class SpendingRulesRepository {
  /** Prices that hold now or will; those that nobody can need any more are left out. */
  async load(tenantId: string, tx: Tx): Promise<StatedRules> {
    const [prices, policies, budgets] = await Promise.all([
      tx.query<PriceRow>({
        name: 'spending_prices',
        text: `SELECT ${PRICE_COLUMNS}
                 FROM model_prices p
                WHERE p.tenant_id = $1
                  AND NOT EXISTS (SELECT FROM model_prices later
                                   WHERE later.tenant_id = $1 AND later.model = p.model
                                     AND (later.effective_from, later.id) > (p.effective_from, p.id)
                                     AND later.effective_from < now() - $2 * interval '1 day')
                ORDER BY p.model, p.effective_from DESC, p.id DESC`,
        values: [tenantId, MAX_DAYS_OF_CALL],
      }),
      tx.query<{ unpricedModels: StatedRules['unpricedModels'] }>({
        name: 'spending_policy',
        text: 'SELECT unpriced_models AS "unpricedModels" FROM cost_policies WHERE tenant_id = $1',
        values: [tenantId],
      }),
      tx.query<{ scope: BudgetTarget['scope']; target: string }>({
        name: 'spending_budgets',
        text: 'SELECT DISTINCT scope, target FROM budgets WHERE tenant_id = $1',
        values: [tenantId],
      }),
    ])
    return { prices: prices.map(toPriceVersion), unpricedModels: policies[0]?.unpricedModels ?? 'allow', budgets }
  }
}
