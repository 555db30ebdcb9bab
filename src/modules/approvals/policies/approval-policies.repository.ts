import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import type { ApprovalPolicy } from './approval-policies.schemas.js'

const COLUMNS = `requester_may_decide AS "requesterMayDecide", expires_after_seconds AS "expiresAfterSeconds",
  default_decision AS "defaultDecision"`

/** What tenants say of their approvals. Scope: `tenantId`. */
@Injectable()
export class ApprovalPoliciesRepository {
  /** Null when the tenant says nothing. */
  async find(tenantId: string, tx: Tx): Promise<ApprovalPolicy | null> {
    const rows = await tx.query<ApprovalPolicy>({
      name: 'approval_policy_find',
      text: `SELECT ${COLUMNS} FROM approval_policies WHERE tenant_id = $1`,
      values: [tenantId],
    })
    return rows[0] ?? null
  }

  /** The tenant's policy, which is `initial` where it had none; nobody else changes it until `tx` ends. */
  async lock(tenantId: string, initial: ApprovalPolicy, tx: Tx): Promise<ApprovalPolicy> {
    await tx.execute({
      text: `INSERT INTO approval_policies
               (tenant_id, requester_may_decide, expires_after_seconds, default_decision, updated_at)
             VALUES ($1, $2, $3, $4, now()) ON CONFLICT DO NOTHING`,
      values: [tenantId, initial.requesterMayDecide, initial.expiresAfterSeconds, initial.defaultDecision],
    })
    const rows = await tx.query<ApprovalPolicy>({
      text: `SELECT ${COLUMNS} FROM approval_policies WHERE tenant_id = $1 FOR UPDATE`,
      values: [tenantId],
    })
    return rows[0] as ApprovalPolicy
  }

  async update(tenantId: string, policy: ApprovalPolicy, tx: Tx): Promise<void> {
    await tx.execute({
      text: `UPDATE approval_policies
                SET requester_may_decide = $2, expires_after_seconds = $3, default_decision = $4, updated_at = now()
              WHERE tenant_id = $1`,
      values: [tenantId, policy.requesterMayDecide, policy.expiresAfterSeconds, policy.defaultDecision],
    })
  }
}
