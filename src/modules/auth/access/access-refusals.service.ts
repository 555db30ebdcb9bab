import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import type { AuthenticatedRequest, Principal } from '#platform/http/principal.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { ACCESS_REFUSALS_QUEUE, type AccessRefusal } from './access-refusal.js'

/** One entry a principal and permission in so long: who tries on must not write the tenant's log full. */
const THROTTLE_SECONDS = 60
const MS_PER_SECOND = 1000
/** Refusals that a replica remembers within a slot; past them only the queue knows, which costs a transaction each. */
const MAX_REMEMBERED = 10_000

/** Hands refused requests to the audit log, by a job: the refusal itself writes nothing that others wait for. */
@Injectable()
export class AccessRefusals {
  private readonly remembered = new Set<string>()
  private slot = 0

  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(AccessRefusals.name)
  }

  /** Never rejects: whether or not it can be written down, the request is refused. */
  async report(principal: Principal, permission: string, request: AuthenticatedRequest): Promise<void> {
    const { tenantId, userId, apiKeyId } = principal
    const key = `${tenantId}:${apiKeyId ?? userId}:${permission}`
    if (this.isKnown(key)) return
    const route = `${request.method} ${request.routeOptions.url ?? ''}`
    const address = requestContext.getStore()?.address
    const refusal: AccessRefusal = {
      tenantId,
      userId,
      apiKeyId,
      permission,
      route,
      requestId: request.id,
      ...(address !== undefined && { address }),
    }
    try {
      await this.database.transaction({}, (tx) =>
        this.queue.sendThrottled(ACCESS_REFUSALS_QUEUE, refusal, { key, seconds: THROTTLE_SECONDS }, tx),
      )
      if (this.remembered.size < MAX_REMEMBERED) this.remembered.add(key)
    } catch (error) {
      this.logger.error({ err: error, event: 'access_refusal_not_recorded', permission }, 'access_refusal_not_recorded')
    }
  }

  private isKnown(key: string): boolean {
    const slot = Math.floor(this.clock.now().getTime() / (THROTTLE_SECONDS * MS_PER_SECOND))
    if (slot !== this.slot) this.remembered.clear()
    this.slot = slot
    return this.remembered.has(key)
  }
}
