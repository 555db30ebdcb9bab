import { Injectable } from '@nestjs/common'
import type { Tx } from '#platform/database/tx.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { FAILED_LOGINS_QUEUE, type FailedLogin, type FailedLoginJobData } from './failed-login.js'

/** Takes failed sign-ins, to be told to the account's tenants later: one statement, whether or not anyone has the address. */
@Injectable()
export class FailedLogins {
  constructor(
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
  ) {}

  async add(failed: FailedLogin, tx: Tx): Promise<void> {
    const { requestId = '', address } = requestContext.getStore() ?? {}
    const sealed = this.sealer.seal(Buffer.from(JSON.stringify(failed)), FAILED_LOGINS_QUEUE).toString('base64url')
    const job: FailedLoginJobData = { sealed, requestId, ...(address !== undefined && { address }) }
    await this.queue.send(FAILED_LOGINS_QUEUE, job, tx)
  }
}
