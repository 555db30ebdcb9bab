import { Injectable } from '@nestjs/common'
import { DatabaseError } from 'pg'
import type { Tx } from '#platform/database/tx.js'
import type { CostPolicy } from './cost-policies.schemas.js'

const INVALID_PARAMETER_VALUE = '22023'
const COLUMNS = 'timezone, unpriced_models AS "unpricedModels"'

/** What tenants say of their money. Scope: `tenantId`. */
@Injectable()
export class CostPoliciesRepository {
  /** Null when the tenant says nothing. */
  async find(tenantId: string, tx: Tx): Promise<CostPolicy | null> {
    const rows = await tx.query<CostPolicy>({
      name: 'cost_policy_find',
      text: `SELECT ${COLUMNS} FROM cost_policies WHERE tenant_id = $1`,
      values: [tenantId],
    })
    return rows[0] ?? null
  }

  /** The tenant's policy, which is `initial` where it had none; nobody else changes it until `tx` ends. */
  async lock(tenantId: string, initial: CostPolicy, tx: Tx): Promise<CostPolicy> {
    await tx.execute({
      text: `INSERT INTO cost_policies (tenant_id, timezone, unpriced_models, updated_at) VALUES ($1, $2, $3, now())
             ON CONFLICT DO NOTHING`,
      values: [tenantId, initial.timezone, initial.unpricedModels],
    })
    const rows = await tx.query<CostPolicy>({
      text: `SELECT ${COLUMNS} FROM cost_policies WHERE tenant_id = $1 FOR UPDATE`,
      values: [tenantId],
    })
    return rows[0] as CostPolicy
  }

  async update(tenantId: string, { timezone, unpricedModels }: CostPolicy, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE cost_policies SET timezone = $2, unpriced_models = $3, updated_at = now() WHERE tenant_id = $1',
      values: [tenantId, timezone, unpricedModels],
    })
  }

  /**
   * Whether the database can reckon in this time zone. It has a tz database of its own, which may be older than ours, and every
   * booking stands on it. When it cannot, the transaction is void.
   */
  async knowsTimeZone(timezone: string, tx: Tx): Promise<boolean> {
    try {
      await tx.query({ text: `SELECT budget_period_start('day', $1, now())`, values: [timezone] })
      return true
    } catch (error) {
      if (error instanceof DatabaseError && error.code === INVALID_PARAMETER_VALUE) return false
      throw error
    }
  }
}
