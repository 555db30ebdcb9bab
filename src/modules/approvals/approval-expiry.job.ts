import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { PeriodicTask } from '#platform/jobs/periodic-task.js'
import { ApprovalDecisions } from './approval-decisions.service.js'
import { ApprovalsRepository, type ExpiredApproval } from './approvals.repository.js'

const INTERVAL_MS = 1000
const BATCH_SIZE = 100
/** Of one pass: the rest waits for the next. */
const MAX_BATCHES = 10
const FAILURE = 'approval_expiry_failed'

/** Lets the default stand where nobody has decided in time. On every replica: each approval is one conditional UPDATE. */
@Injectable()
export class ApprovalExpiry implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly task: PeriodicTask

  constructor(
    private readonly approvals: ApprovalsRepository,
    private readonly decisions: ApprovalDecisions,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ApprovalExpiry.name)
    this.task = new PeriodicTask({ everyMs: INTERVAL_MS, failure: FAILURE, logger, pass: () => this.pass() })
  }

  onApplicationBootstrap(): void {
    this.task.start()
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop()
  }

  /** One pass; a second call while one is under way joins it. Never rejects. */
  sweep(): Promise<void> {
    return this.task.run()
  }

  /** Goes on after what it has seen, expired or not: approvals that cannot be decided must not hold up those after them. */
  private async pass(): Promise<void> {
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
