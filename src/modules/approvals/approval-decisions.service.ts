import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import type { ApprovalStatus } from './approval.js'
import { noSuchApproval } from './approval-queries.service.js'
import { type ApprovalRow, type ApprovalSummaryRow, toApproval, toDecider } from './approval-view.js'
import { ApprovalDecided, type ApprovalDecidedFacts } from './approvals.events.js'
import { ApprovalsRepository, type Decision, type ExpiredApproval } from './approvals.repository.js'
import type { Approval } from './approvals.schemas.js'

/**
 * Decides approvals, each once. In the deciding transaction the approval's row is changed before the event is emitted, and
 * nothing else is locked: what the run's rows need comes with the event.
 */
@Injectable()
export class ApprovalDecisions {
  constructor(
    private readonly database: Database,
    private readonly approvals: ApprovalsRepository,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /**
   * @throws AppError `not_found`, the same for another tenant's; `approval_decided`, also past its time, when its default
   * stands by then; `forbidden` for a requester who may not decide
   */
  async decide(principal: Principal, id: string, { status, comment }: Omit<Decision, 'by'>): Promise<Approval> {
    const { tenantId, userId, apiKeyId } = principal
    if (!isUuid(id)) throw noSuchApproval()
    const key = { tenantId, id }
    const approval = await this.database.transaction({ tenantId }, async (tx) => {
      const decided = await this.approvals.decide(key, { status, comment, by: { userId, apiKeyId } }, tx)
      if (decided) return this.settle(decided, tx)
      if (!(await this.expireIn(key, tx))) throw whyNot(await this.approvals.find(key, tx))
      return null
    })
    // Told only now: the default must be committed, not rolled back with the refusal.
    if (!approval) throw alreadyDecided('expired')
    return approval
  }

  /** Lets the default of an approval that is past its time stand; false when that is somebody else's doing already. */
  async expire({ tenantId, id }: Pick<ExpiredApproval, 'tenantId' | 'id'>): Promise<boolean> {
    return this.database.workers.transaction({ tenantId }, (tx) => this.expireIn({ tenantId, id }, tx))
  }

  private async settle(row: ApprovalRow, tx: Tx): Promise<Approval> {
    await this.events.emit(decidedEvent(row), tx)
    const approval = toApproval(row)
    await this.idempotency.complete({ status: 200, body: approval }, tx)
    return approval
  }

  private async expireIn(key: { tenantId: string; id: string }, tx: Tx): Promise<boolean> {
    const expired = await this.approvals.expire(key, tx)
    if (expired) await this.events.emit(decidedEvent(expired), tx)
    return expired !== null
  }
}

function decidedEvent(row: ApprovalSummaryRow): ApprovalDecided {
  const { tenantId, runId, position, comment } = row
  const status = row.status as ApprovalDecidedFacts['status']
  return new ApprovalDecided({
    tenantId,
    approvalId: row.id,
    runId,
    position,
    status,
    isGranted: status === 'approved' || (status === 'expired' && row.defaultDecision === 'approve'),
    decidedBy: toDecider(row),
    comment,
    argumentsHash: row.argumentsHash.toString('hex'),
  })
}

/** Of one that could not be decided, and has not just expired. */
function whyNot(row: ApprovalRow | null): AppError {
  if (!row) return noSuchApproval()
  if (row.status !== 'pending') return alreadyDecided(row.status)
  return new AppError('forbidden', 'forbidden', {
    detail: 'Whoever started a run does not decide its approvals in this tenant: ask somebody else.',
  })
}

function alreadyDecided(status: ApprovalStatus): AppError {
  return new AppError('approval_decided', 'conflict', { detail: `This approval is ${status} already.` })
}
