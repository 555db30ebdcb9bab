import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { requestContext, type RequestContext } from '#platform/http/request-context.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { AccessRefused } from '../auth.events.js'
import { ACCESS_REFUSALS_QUEUE, type AccessRefusal } from './access-refusal.js'

const BATCH_SIZE = 10
const RETRY = { limit: 5, delaySeconds: 2, maxDelaySeconds: 60 }

/** Tells the tenant's audit log who was refused what, as if in the refused request. */
@Injectable()
export class AccessRefusalsJob implements OnModuleInit {
  constructor(
    private readonly queue: JobQueue,
    private readonly database: Database,
    private readonly events: EventBus,
  ) {}

  onModuleInit(): void {
    this.queue.register<AccessRefusal>({
      queue: ACCESS_REFUSALS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: RETRY,
      handleEach: (refusal) => requestContext.run(contextOf(refusal), () => this.tell(refusal)),
    })
  }

  private async tell({ tenantId, permission, route }: AccessRefusal): Promise<void> {
    await this.database.workers.transaction({ tenantId }, (tx) =>
      this.events.emit(new AccessRefused(tenantId, permission, route), tx),
    )
  }
}

function contextOf({ requestId, address, userId, apiKeyId }: AccessRefusal): RequestContext {
  return { requestId, userId, ...(address !== undefined && { address }), ...(apiKeyId !== null && { apiKeyId }) }
}
