import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { BudgetAlertFacts } from './budget.js'

/** Something that a budget has to tell. */
export interface BudgetAlert extends BudgetAlertFacts {
  readonly kind: 'threshold' | 'exceeded'
  readonly percent: number
}

/** `budget_alerts`: written by who spends or is refused, announced later, by whoever comes first. */
@Injectable()
export class BudgetAlertsRepository {
  constructor(private readonly database: Database) {}

  /** Tenants that have something to tell, behind `after`. */
  async listTenants(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.workers.read<{ tenantId: string }>(
      { purpose: 'budgets.alerts' },
      {
        name: 'budget_alert_tenants',
        text: `SELECT DISTINCT tenant_id AS "tenantId" FROM budget_alerts
                WHERE announced_at IS NULL AND tenant_id > $1 ORDER BY tenant_id LIMIT $2`,
        values: [after, limit],
      },
    )
    return rows.map(({ tenantId }) => tenantId)
  }

  /** Marks up to `limit` as announced, the oldest first; what another replica is announcing is left to it. */
  announce(tenantId: string, limit: number, tx: Tx): Promise<BudgetAlert[]> {
    return tx.query<BudgetAlert>({
      name: 'budget_alerts_announce',
      text: `WITH due AS (
               SELECT budget_id, period_start, kind, percent FROM budget_alerts
                WHERE tenant_id = $1 AND announced_at IS NULL
                ORDER BY reached_at, budget_id, percent LIMIT $2 FOR UPDATE SKIP LOCKED
             ), told AS (
               UPDATE budget_alerts a SET announced_at = now() FROM due
                WHERE a.tenant_id = $1 AND (a.budget_id, a.period_start, a.kind, a.percent)
                      = (due.budget_id, due.period_start, due.kind, due.percent)
            RETURNING a.*
             )
             SELECT t.budget_id AS "budgetId", b.scope, b.scope_id AS "scopeId", b.period,
                    CASE WHEN b.period <> 'total' THEN t.period_start END AS "periodStart", t.kind, t.percent,
                    trim_scale(b.limit_usd)::text AS "limitUsd", trim_scale(t.spent_usd)::text AS "spentUsd"
               FROM told t JOIN budgets b ON b.tenant_id = $1 AND b.id = t.budget_id
              ORDER BY t.reached_at, t.budget_id, t.percent, t.kind DESC`,
      values: [tenantId, limit],
    })
  }
}
