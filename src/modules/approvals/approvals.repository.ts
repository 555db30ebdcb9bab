import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import type { ApprovalRequest, ApprovalStatus, Decider, DefaultDecision } from './approval.js'
import type { ApprovalRow, ApprovalSummaryRow } from './approval-view.js'
import type { ApprovalFilter } from './approvals.schemas.js'

const SUMMARY_COLUMNS = `tenant_id AS "tenantId", id, run_id AS "runId", position, agent, reason, tool,
  arguments_hash AS "argumentsHash", status, default_decision AS "defaultDecision",
  requester_may_decide AS "requesterMayDecide", requested_by AS "requestedBy", created_at AS "createdAt",
  expires_at AS "expiresAt", decided_by_user AS "decidedByUser", decided_by_key AS "decidedByKey",
  decided_at AS "decidedAt", comment`
/** As exact as a `Date`, which the API shows, and by which the sweep goes on: what it cannot tell apart it would see again. */
const NOW_MS = `date_trunc('milliseconds', now())`

export interface NewApproval extends Omit<ApprovalRequest, 'arguments'> {
  readonly id: string
  readonly argumentsJson: string
  readonly argumentsHash: Buffer
  readonly requesterMayDecide: boolean
  readonly expiresAfterSeconds: number
  readonly defaultDecision: DefaultDecision
}

/** Enough of an approval to find it by, and its place in the order of expiry. */
export type ExpiredApproval = Pick<ApprovalSummaryRow, 'tenantId' | 'id' | 'expiresAt'>

export interface Decision {
  readonly status: Extract<ApprovalStatus, 'approved' | 'rejected'>
  readonly comment: string | null
  readonly by: Decider
}

type ApprovalKey = Pick<ApprovalSummaryRow, 'tenantId' | 'id'>

/**
 * Approvals. Times are the database's, which all replicas share. Scope: `tenantId`, but where another is named. An open
 * approval is changed by one conditional UPDATE, so that of all who decide at once one does.
 */
@Injectable()
export class ApprovalsRepository {
  constructor(private readonly database: Database) {}

  /** @returns when it expires */
  async add(approval: NewApproval, tx: Tx): Promise<Date> {
    const rows = await tx.query<{ expiresAt: Date }>({
      name: 'approval_add',
      text: `INSERT INTO approvals (tenant_id, id, run_id, position, agent, reason, tool, arguments, arguments_hash, status,
               default_decision, requester_may_decide, requested_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, ${NOW_MS},
               ${NOW_MS} + $13 * interval '1 s')
             RETURNING expires_at AS "expiresAt"`,
      values: [
        approval.tenantId,
        approval.id,
        approval.runId,
        approval.position,
        approval.agent,
        approval.reason,
        approval.tool,
        approval.argumentsJson,
        approval.argumentsHash,
        approval.defaultDecision,
        approval.requesterMayDecide,
        approval.requestedBy,
        approval.expiresAfterSeconds,
      ],
    })
    return (rows[0] as { expiresAt: Date }).expiresAt
  }

  /** Null when the tenant has none of that id. */
  async find({ tenantId, id }: ApprovalKey, tx: Tx): Promise<ApprovalRow | null> {
    const rows = await tx.query<ApprovalRow>({
      text: `SELECT ${SUMMARY_COLUMNS}, arguments FROM approvals WHERE tenant_id = $1 AND id = $2`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /** The same outside of a transaction, in one flight. */
  async read({ tenantId, id }: ApprovalKey): Promise<ApprovalRow | null> {
    const rows = await this.database.read<ApprovalRow>(
      { tenantId },
      {
        name: 'approval_read',
        text: `SELECT ${SUMMARY_COLUMNS}, arguments FROM approvals WHERE tenant_id = $1 AND id = $2`,
        values: [tenantId, id],
      },
    )
    return rows[0] ?? null
  }

  /** Newest first; up to `limit`, after the approval `after`. */
  list(
    tenantId: string,
    { status, runId }: ApprovalFilter,
    { after, limit }: { after: string | undefined; limit: number },
  ): Promise<ApprovalSummaryRow[]> {
    const values: unknown[] = [tenantId]
    const conditions = ['tenant_id = $1']
    if (status !== undefined) conditions.push(`status = $${values.push(status)}`)
    if (runId !== undefined) conditions.push(`run_id = $${values.push(runId)}`)
    if (after !== undefined) conditions.push(`id < $${values.push(after)}`)
    return this.database.read<ApprovalSummaryRow>(
      { tenantId },
      {
        text: `SELECT ${SUMMARY_COLUMNS} FROM approvals WHERE ${conditions.join(' AND ')}
                ORDER BY id DESC LIMIT $${values.push(limit)}`,
        values,
      },
    )
  }

  /** Null when it is none of the tenant's, is decided, is past its time, or is not for this decider. */
  async decide({ tenantId, id }: ApprovalKey, { status, comment, by }: Decision, tx: Tx): Promise<ApprovalRow | null> {
    const rows = await tx.query<ApprovalRow>({
      text: `UPDATE approvals
                SET status = $3, decided_by_user = $4, decided_by_key = $5, decided_at = ${NOW_MS}, comment = $6
              WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND expires_at > now()
                AND (requester_may_decide OR requested_by IS DISTINCT FROM $4)
          RETURNING ${SUMMARY_COLUMNS}, arguments`,
      values: [tenantId, id, status, by.userId, by.apiKeyId, comment],
    })
    return rows[0] ?? null
  }

  /** Lets the default stand; null when it is decided, or has time left. */
  async expire({ tenantId, id }: ApprovalKey, tx: Tx): Promise<ApprovalSummaryRow | null> {
    const rows = await tx.query<ApprovalSummaryRow>({
      text: `UPDATE approvals SET status = 'expired', decided_at = ${NOW_MS}
              WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND expires_at <= now()
          RETURNING ${SUMMARY_COLUMNS}`,
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /**
   * Closes what is open of these runs of the tenant in whose scope `tx` is. One that is being decided at this moment is left
   * to its decider: he waits for the run, which the caller has locked, and we for him would be a deadlock.
   */
  async withdraw(runIds: readonly string[], tx: Tx): Promise<void> {
    await tx.execute({
      name: 'approvals_withdraw',
      text: `UPDATE approvals SET status = 'expired'
              WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM approvals
                                         WHERE tenant_id = app_tenant() AND run_id = ANY ($1::uuid[]) AND status = 'pending'
                                           FOR NO KEY UPDATE SKIP LOCKED)`,
      values: [runIds],
    })
  }

  /** Open approvals of all tenants that are past their time, the oldest first, after `after`. */
  listExpired({ after, limit }: { after: ExpiredApproval | undefined; limit: number }): Promise<ExpiredApproval[]> {
    return this.database.workers.read(
      { purpose: 'approvals.sweep' },
      {
        name: 'approvals_expired',
        text: `SELECT tenant_id AS "tenantId", id, expires_at AS "expiresAt" FROM approvals
                WHERE status = 'pending' AND expires_at < now()
                  AND ($1::timestamptz IS NULL OR (expires_at, id) > ($1, $2::uuid))
                ORDER BY expires_at, id LIMIT $3`,
        values: [after?.expiresAt ?? null, after?.id ?? null, limit],
      },
    )
  }
}
