import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { ApprovalRequest, RequestedApproval } from './approval.js'
import { ApprovalRequested } from './approvals.events.js'
import { ApprovalsRepository } from './approvals.repository.js'
import { canonicalArguments, hashArguments } from './arguments-hash.js'
import { ApprovalPolicies } from './policies/approval-policies.service.js'

/** What a run does with approvals. Decisions come back as `ApprovalDecided`. */
@Injectable()
export class Approvals {
  constructor(
    private readonly approvals: ApprovalsRepository,
    private readonly policies: ApprovalPolicies,
    private readonly events: EventBus,
  ) {}

  /**
   * Asks, under the tenant's policy as of now. Call it in the transaction in which the run begins to wait, in the tenant's
   * scope; a second call is a second approval.
   * @throws AppError `invalid_arguments`
   */
  async request(request: ApprovalRequest, tx: Tx): Promise<RequestedApproval> {
    const { arguments: asked, id, ...rest } = request
    const argumentsJson = canonicalArguments(asked)
    const hash = hashArguments(asked)
    const policy = await this.policies.of(request.tenantId, tx)
    const expiresAt = await this.approvals.add({ ...rest, ...policy, id, argumentsJson, argumentsHash: hash }, tx)
    const argumentsHash = hash.toString('hex')
    await this.events.emit(new ApprovalRequested({ ...rest, approvalId: id, argumentsHash, expiresAt }), tx)
    return { id, expiresAt, argumentsHash }
  }

  /**
   * The runs have ended: what is still pending of them becomes expired, without anybody's decision and without an
   * `ApprovalDecided`. `tx` is in the tenant's scope, and may hold the runs' rows locked: an approval that is being decided at
   * this moment is left to its decider, so whoever resumes runs must overlook one that has ended.
   */
  async withdraw(runIds: readonly string[], tx: Tx): Promise<void> {
    if (runIds.length > 0) await this.approvals.withdraw(runIds, tx)
  }
}
