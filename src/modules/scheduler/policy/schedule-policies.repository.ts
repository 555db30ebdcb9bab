import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { SchedulePolicy } from './schedule-policies.schemas.js'

/** What tenants say of their schedules. Scope: `tenantId`. */
@Injectable()
export class SchedulePoliciesRepository {
  /** Null when the tenant says nothing. */
  async find(tenantId: string, tx: Tx): Promise<SchedulePolicy | null> {
    const rows = await tx.query<SchedulePolicy>({
      name: 'schedule_policy_find',
      text: 'SELECT min_interval_seconds AS "minIntervalSeconds" FROM schedule_policies WHERE tenant_id = $1',
      values: [tenantId],
    })
    return rows[0] ?? null
  }

  /** The tenant's policy, which is `initial` where it had none; nobody else changes it until `tx` ends. */
  async lock(tenantId: string, initial: SchedulePolicy, tx: Tx): Promise<SchedulePolicy> {
    await tx.execute({
      text: `INSERT INTO schedule_policies (tenant_id, min_interval_seconds, updated_at) VALUES ($1, $2, now())
             ON CONFLICT DO NOTHING`,
      values: [tenantId, initial.minIntervalSeconds],
    })
    const rows = await tx.query<SchedulePolicy>({
      text: `SELECT min_interval_seconds AS "minIntervalSeconds" FROM schedule_policies WHERE tenant_id = $1 FOR UPDATE`,
      values: [tenantId],
    })
    return rows[0] as SchedulePolicy
  }

  async update(tenantId: string, policy: SchedulePolicy, tx: Tx): Promise<void> {
    await tx.execute({
      text: 'UPDATE schedule_policies SET min_interval_seconds = $2, updated_at = now() WHERE tenant_id = $1',
      values: [tenantId, policy.minIntervalSeconds],
    })
  }
}
