import { Injectable, type OnModuleInit } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { requestContext } from '#platform/http/request-context.js'
import { type JobAttempt, JobQueue } from '#platform/jobs/job-queue.js'
import { MAIL_RETRY } from '#platform/mail/mailer.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { RecoveryMails } from '../recovery/recovery-mails.service.js'
import { type PendingRegistration, type RegistrationJobData, REGISTRATIONS_QUEUE } from './pending-registration.js'
import { RegistrationLinks } from './registration-links.service.js'

const BATCH_SIZE = 5
/** Who has an account hears of somebody's attempt to register at most this often. */
const NOTE_INTERVAL_SECONDS = 3600

/** Does what a registration asked for, where nobody watches how long it takes: a link, or a note to who has an account. */
@Injectable()
export class PendingRegistrationsJob implements OnModuleInit {
  constructor(
    private readonly config: AppConfig,
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly mails: RecoveryMails,
    private readonly links: RegistrationLinks,
  ) {}

  onModuleInit(): void {
    if (!this.config.settings.EMAIL_VERIFICATION) return
    this.queue.register<RegistrationJobData>({
      queue: REGISTRATIONS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: MAIL_RETRY,
      handleEach: ({ sealed, ...context }, attempt) =>
        requestContext.run(context, () => this.register(this.unseal(sealed), attempt)),
    })
  }

  private unseal(sealed: string): PendingRegistration {
    const text = this.sealer.open(Buffer.from(sealed, 'base64url'), REGISTRATIONS_QUEUE).toString('utf8')
    return JSON.parse(text) as PendingRegistration
  }

  private async register(registration: PendingRegistration, attempt: JobAttempt): Promise<void> {
    const { email } = registration
    const isKnown = await this.database.workers.transaction({ signInEmail: email }, async (tx) => {
      const holder = await this.accounts.findByEmail(email, tx)
      if (holder)
        await this.mails.requestThrottled({ template: 'already_registered', email }, NOTE_INTERVAL_SECONDS, tx)
      return holder !== null
    })
    if (!isKnown) await this.links.send(registration, attempt)
  }
}
