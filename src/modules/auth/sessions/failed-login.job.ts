import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue, type RetryPolicy } from '#platform/jobs/job-queue.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { AccountEvents } from '../accounts/account-events.service.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { AccountLocked, LoginFailed } from '../auth.events.js'
import { FAILED_LOGINS_QUEUE, type FailedLogin, type FailedLoginJobData } from './failed-login.js'

const BATCH_SIZE = 10
/** For a database that is away: some forty minutes. */
const RETRY: RetryPolicy = { limit: 10, delaySeconds: 2, maxDelaySeconds: 600 }

/**
 * Tells the tenants of an account that a sign-in failed. Not in the request: what is done for an account that exists, and
 * not for one that does not, must not show in the time that the answer takes.
 */
@Injectable()
export class FailedLoginJob implements OnModuleInit {
  constructor(
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly events: AccountEvents,
  ) {}

  onModuleInit(): void {
    this.queue.register<FailedLoginJobData>({
      queue: FAILED_LOGINS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: RETRY,
      handleEach: ({ sealed, ...context }) => requestContext.run(context, () => this.tell(this.unseal(sealed))),
    })
  }

  private unseal(sealed: string): FailedLogin {
    const text = this.sealer.open(Buffer.from(sealed, 'base64url'), FAILED_LOGINS_QUEUE).toString('utf8')
    return JSON.parse(text) as FailedLogin
  }

  /** All tenants in one transaction: an attempt that fails half-way has told nobody, and the next tells nobody twice. */
  private async tell({ email, isLocked, reason }: FailedLogin): Promise<void> {
    await this.database.workers.transaction({ signInEmail: email }, async (tx) => {
      const user = await this.accounts.findByEmail(email, tx)
      if (!user) return
      const { id: userId } = user
      await tx.rescope({ userId })
      const make = (tenantId: string) => [
        new LoginFailed(tenantId, userId, reason),
        ...(isLocked ? [new AccountLocked(tenantId, userId)] : []),
      ]
      await this.events.emitInEachTenant(userId, make, tx)
    })
  }
}
