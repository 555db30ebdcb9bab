import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Sweep } from '#platform/jobs/sweep.js'
import { ApprovalDecisions } from './approval-decisions.service.js'
import { ApprovalsRepository, type ExpiredApproval } from './approvals.repository.js'

const INTERVAL_MS = 1000
const BATCH_SIZE = 100
/** Of one pass: the rest waits for the next. */
const MAX_BATCHES = 10
const FAILURE = 'approval_expiry_failed'

/** Lets the default stand where nobody has decided in time. On every replica: each approval is one conditional UPDATE. */
@Injectable()
export class ApprovalExpiry extends Sweep {
  constructor(
    private readonly approvals: ApprovalsRepository,
    private readonly decisions: ApprovalDecisions,
    private readonly logger: PinoLogger,
  ) {
    super(logger, FAILURE, INTERVAL_MS)
  }

  /** Goes on after what it has seen, expired or not: approvals that cannot be decided must not hold up those after them. */
  protected async pass(): Promise<void> {
    let last: ExpiredApproval | undefined
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const expired = await this.approvals.listExpired({ after: last, limit: BATCH_SIZE })
      for (const approval of expired) {
        if (this.task.isStopping) return
        await this.expire(approval)
      }
      last = expired.at(-1)
      if (expired.length < BATCH_SIZE) return
    }
  }

  private async expire({ tenantId, id }: ExpiredApproval): Promise<void> {
    try {
      await this.decisions.expire({ tenantId, id })
    } catch (error) {
      this.logger.warn({ err: error, event: FAILURE, approvalId: id }, FAILURE)
    }
  }
}
