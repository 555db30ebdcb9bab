import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { BudgetRecord, BudgetScope, BudgetTerms, StandingBudget } from './budget.js'

const COLUMNS = `b.tenant_id AS "tenantId", b.id, b.scope, b.scope_id AS "scopeId", b.target, b.period,
  trim_scale(b.limit_usd)::text AS "limitUsd", b.alert_percents AS "alertPercents", b.is_hard AS "isHard",
  b.is_of_key AS "isOfKey", b.created_at AS "createdAt", b.updated_at AS "updatedAt"`
/** Budgets of the tenant $1 with their periods at the moment $2. A forecast is made of a hundredth of a period at least. */
const STANDING = `SELECT ${COLUMNS}, s.since AS "periodStart", s.until AS "periodEnd",
    trim_scale(m.spent)::text AS "spentUsd", trim_scale(m.reserved)::text AS "reservedUsd",
    trim_scale(greatest(b.limit_usd - m.spent - m.reserved, 0))::text AS "remainingUsd",
    trim_scale(round(m.spent * extract(epoch FROM s.until - s.since)
      / greatest(extract(epoch FROM $2::timestamptz - s.since), extract(epoch FROM s.until - s.since) / 100), 12))::text AS "forecastUsd"
  FROM budgets b
 CROSS JOIN (SELECT budget_timezone($1) AS name) AS zone
 CROSS JOIN LATERAL (SELECT budget_period_start(b.period, zone.name, $2) AS since) AS begun
 CROSS JOIN LATERAL (SELECT begun.since, budget_period_end(b.period, zone.name, begun.since) AS until) AS s
  LEFT JOIN budget_periods p ON p.tenant_id = b.tenant_id AND p.budget_id = b.id AND p.period_start = s.since
 CROSS JOIN LATERAL (SELECT coalesce(p.spent_usd, 0) AS spent, budget_reserved(b.tenant_id, b.id, s.since) AS reserved) AS m
 WHERE b.tenant_id = $1`

interface BudgetKey {
  readonly tenantId: string
  readonly id: string
}

/**
 * Budgets, as their owners make and see them. What is written here is settled in the last moment before the commit: then it is
 * counted, or gone.
 */
@Injectable()
export class BudgetsRepository {
  constructor(private readonly database: Database) {}

  /** Counts a tenant's budgets, but for those that came with API keys; until `tx` ends nobody else counts or adds. */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    const rows = await tx.query<{ count: string }>({
      text: 'SELECT count(*) AS count FROM budgets WHERE tenant_id = $1 AND NOT is_of_key',
      values: [tenantId],
    })
    return Number(rows[0]?.count)
  }

  /** @returns false when there is one of its scope, target and period already */
  async add(budget: BudgetRecord, tx: Tx): Promise<boolean> {
    const added = await tx.execute({
      text: `INSERT INTO budgets (tenant_id, id, scope, scope_id, target, period, limit_usd, alert_percents, is_hard, is_of_key,
               counted_from, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)
             ON CONFLICT (tenant_id, scope, target, period) DO NOTHING`,
      values: [
        budget.tenantId,
        budget.id,
        budget.scope,
        budget.scopeId,
        budget.target,
        budget.period,
        budget.limitUsd,
        budget.alertPercents,
        budget.isHard,
        budget.isOfKey,
        budget.createdAt,
        budget.updatedAt,
      ],
    })
    return added === 1
  }

  /** Until `tx` ends nobody else changes it. */
  async findForChange({ tenantId, id }: BudgetKey, tx: Tx): Promise<BudgetRecord | null> {
    const rows = await tx.query<BudgetRecord>({
      text: `SELECT ${COLUMNS} FROM budgets b WHERE b.tenant_id = $1 AND b.id = $2 FOR NO KEY UPDATE`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  async update({ tenantId, id, updatedAt, ...terms }: BudgetKey & BudgetTerms & { updatedAt: Date }, tx: Tx) {
    await tx.execute({
      text: `UPDATE budgets SET limit_usd = $3, alert_percents = $4, is_hard = $5, updated_at = $6
              WHERE tenant_id = $1 AND id = $2`,
      values: [tenantId, id, terms.limitUsd, terms.alertPercents, terms.isHard, updatedAt],
    })
  }

  async delete({ tenantId, id }: BudgetKey, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE budgets SET is_deleted = true WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id],
    })
  }

  /** Whether any counts what `target` spends. */
  async hasOf(
    { tenantId, scope, target }: { tenantId: string; scope: BudgetScope; target: string },
    tx: Tx,
  ): Promise<boolean> {
    const rows = await tx.query({
      text: 'SELECT 1 FROM budgets WHERE tenant_id = $1 AND scope = $2 AND target = $3 AND NOT is_deleted LIMIT 1',
      values: [tenantId, scope, target],
    })
    return rows.length > 0
  }

  /** All that count what `target` spends. @returns them as they were */
  deleteOf({ tenantId, scope, target }: { tenantId: string; scope: BudgetScope; target: string }, tx: Tx) {
    return tx.query<BudgetRecord & { tenantId: string }>({
      text: `UPDATE budgets b SET is_deleted = true WHERE b.tenant_id = $1 AND b.scope = $2 AND b.target = $3
          RETURNING ${COLUMNS}`,
      values: [tenantId, scope, target],
    })
  }

  /** Counts the current periods of all of a tenant's budgets anew; nobody else counts till `tx` ends. */
  async recountAll(tenantId: string, moment: Date, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'SELECT recount_budgets($1, $2)',
      values: [tenantId, moment],
    })
  }

  /** Null when there is none. */
  async find({ tenantId, id }: BudgetKey, moment: Date): Promise<StandingBudget | null> {
    const statement = { name: 'budget_find', text: `${STANDING} AND b.id = $3`, values: [tenantId, moment, id] }
    const rows = await this.database.read<StandingBudget>({ tenantId }, statement)
    return rows[0] ?? null
  }

  /** The same in a transaction. */
  async findStanding({ tenantId, id }: BudgetKey, moment: Date, tx: Tx): Promise<StandingBudget | null> {
    const rows = await tx.query<StandingBudget>({
      name: 'budget_find',
      text: `${STANDING} AND b.id = $3`,
      values: [tenantId, moment, id],
    })
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the budget `after`. */
  list(
    tenantId: string,
    { after, limit }: { after: string | undefined; limit: number },
    moment: Date,
  ): Promise<StandingBudget[]> {
    return this.database.read<StandingBudget>(
      { tenantId },
      {
        name: 'budget_list',
        text: `${STANDING} AND ($3::uuid IS NULL OR b.id < $3) ORDER BY b.id DESC LIMIT $4`,
        values: [tenantId, moment, after ?? null, limit],
      },
    )
  }
}
