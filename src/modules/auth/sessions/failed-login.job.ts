import { Injectable, type OnModuleInit } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { AccountLocked, LoginFailed } from '../auth.events.js'
import { FAILED_LOGINS_QUEUE, type FailedLogin } from './failed-login.js'
import { emailHashOf } from './login-lockout.service.js'

const BATCH_SIZE = 10

/**
 * Tells the tenants of an account that a sign-in failed. Not in the request: what is done for an account that exists, and
 * not for one that does not, must not show in the time that the answer takes.
 */
@Injectable()
export class FailedLoginJob implements OnModuleInit {
  constructor(
    private readonly queue: JobQueue,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly events: EventBus,
  ) {}

  onModuleInit(): void {
    this.queue.register<FailedLogin>({
      queue: FAILED_LOGINS_QUEUE,
      batchSize: BATCH_SIZE,
      handle: async (batch) => {
        for (const failed of batch) await requestContext.run(contextOf(failed), () => this.tell(failed))
      },
    })
  }

  private async tell({ email, isLocked }: FailedLogin): Promise<void> {
    const { workers } = this.database
    const signIn = await workers.transaction({ signInEmail: email, presentedHash: emailHashOf(email) }, (tx) =>
      this.accounts.findSignIn(email, emailHashOf(email), tx),
    )
    if (signIn.userId === null) return
    const { userId } = signIn
    const memberships = await workers.transaction({ userId }, (tx) => this.accounts.listMemberships(userId, tx))
    for (const { tenantId } of memberships) {
      await workers.transaction({ tenantId }, async (tx) => {
        await this.events.emit(new LoginFailed(tenantId, userId), tx)
        if (isLocked) await this.events.emit(new AccountLocked(tenantId, userId), tx)
      })
    }
  }
}

function contextOf({ requestId, address }: FailedLogin) {
  return { requestId, ...(address !== undefined && { address }) }
}
