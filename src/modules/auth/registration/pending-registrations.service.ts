import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { type PendingRegistration, type RegistrationJobData, REGISTRATIONS_QUEUE } from './pending-registration.js'

/** Takes registrations without looking whether their address is known: one statement for each, whoever asks. */
@Injectable()
export class PendingRegistrations {
  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
  ) {}

  async add(registration: PendingRegistration): Promise<void> {
    const { requestId = '', address } = requestContext.getStore() ?? {}
    const sealed = this.sealer
      .seal(Buffer.from(JSON.stringify(registration)), REGISTRATIONS_QUEUE)
      .toString('base64url')
    const job: RegistrationJobData = { sealed, requestId, ...(address !== undefined && { address }) }
    await this.database.transaction({}, (tx) => this.queue.send(REGISTRATIONS_QUEUE, job, tx))
  }
}
