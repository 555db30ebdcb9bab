import { Injectable, type OnModuleInit } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { requestContext } from '#platform/http/request-context.js'
import { JobQueue, type RetryPolicy } from '#platform/jobs/job-queue.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { UserRegistered } from '../auth.events.js'
import { RecoveryMails } from '../recovery/recovery-mails.service.js'
import { newOwner } from './new-owner.js'
import { type PendingRegistration, type RegistrationJobData, REGISTRATIONS_QUEUE } from './pending-registration.js'

const BATCH_SIZE = 5
/** For a database that is away: some forty minutes. */
const RETRY: RetryPolicy = { limit: 10, delaySeconds: 2, maxDelaySeconds: 600 }
/** Who has an account hears of somebody's attempt to register at most this often. */
const NOTE_INTERVAL_SECONDS = 3600

/** Does what a registration asked for, where nobody watches how long it takes: an account, or a note to who has one. */
@Injectable()
export class PendingRegistrationsJob implements OnModuleInit {
  constructor(
    private readonly config: AppConfig,
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly mails: RecoveryMails,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    if (!this.config.settings.EMAIL_VERIFICATION) return
    this.queue.register<RegistrationJobData>({
      queue: REGISTRATIONS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: RETRY,
      handleEach: ({ sealed, ...context }) => requestContext.run(context, () => this.register(this.unseal(sealed))),
    })
  }

  private unseal(sealed: string): PendingRegistration {
    const text = this.sealer.open(Buffer.from(sealed, 'base64url'), REGISTRATIONS_QUEUE).toString('utf8')
    return JSON.parse(text) as PendingRegistration
  }

  private async register(registration: PendingRegistration): Promise<void> {
    try {
      await this.create(registration)
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'email_taken')) throw error
      await this.tellWhoHasIt(registration)
    }
  }

  private async create(registration: PendingRegistration): Promise<void> {
    const { email, passwordHash } = registration
    const account = newOwner(registration, this.clock.now())
    const { tenant, user } = account
    await this.database.workers.transaction({ tenantId: tenant.id, userId: user.id }, async (tx) => {
      await this.accounts.createOwner(account, passwordHash, tx)
      await this.events.emit(new UserRegistered(tenant.id, user.id), tx)
      await this.mails.requestIn({ template: 'email_verification', email }, tx)
    })
  }

  private async tellWhoHasIt({ userId, email }: PendingRegistration): Promise<void> {
    await this.database.workers.transaction({ signInEmail: email }, async (tx) => {
      const holder = await this.accounts.findByEmail(email, tx)
      // This very registration, by an attempt of which only the end was lost.
      if (!holder || holder.id === userId) return
      await this.mails.requestThrottled({ template: 'already_registered', email }, NOTE_INTERVAL_SECONDS, tx)
    })
  }
}
