import { Injectable, type OnModuleInit } from '@nestjs/common'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { linkWithToken, publicUrl } from '#platform/http/public-url.js'
import { type JobAttempt, JobQueue } from '#platform/jobs/job-queue.js'
import { MAIL_RETRY, Mailer } from '#platform/mail/mailer.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import { RegistrationLinks } from '../registration/registration-links.service.js'
import type { OneTimeTokenKind } from './one-time-token.entity.js'
import { OneTimeTokens } from './one-time-tokens.service.js'
import { RECOVERY_MAILS_QUEUE, type RecoveryMail } from './recovery-mail.js'

const BATCH_SIZE = 5
/** The pages that the links lead to. */
const PAGES: Record<OneTimeTokenKind, string> = { password_reset: 'reset-password', email_verification: 'verify-email' }

/**
 * Writes the mails that an address was asked for. Not in the request, which must look the same for every address; and the
 * token is made here, a moment before it is sent: nothing but its hash is ever stored.
 */
@Injectable()
export class RecoveryMailJob implements OnModuleInit {
  constructor(
    private readonly config: AppConfig,
    private readonly queue: JobQueue,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly tokens: OneTimeTokens,
    private readonly registrations: RegistrationLinks,
    private readonly mailer: Mailer,
  ) {}

  onModuleInit(): void {
    if (!this.mailer.isConfigured) return
    this.queue.register<RecoveryMail>({
      queue: RECOVERY_MAILS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: MAIL_RETRY,
      handleEach: (mail, attempt) => this.write(mail, attempt),
    })
  }

  private async write({ template, email }: RecoveryMail, attempt: JobAttempt): Promise<void> {
    const user = await this.database.workers.transaction({ signInEmail: email }, (tx) =>
      this.accounts.findByEmail(email, tx),
    )
    if (!user && template === 'email_verification') return this.registrations.sendAgain(email, attempt)
    if (!user || (template === 'email_verification' && user.emailVerifiedAt !== null)) return
    if (template !== 'already_registered') return this.sendToken(template, { email, userId: user.id }, attempt)
    const data = { serverUrl: publicUrl(this.config) }
    await this.mailer.deliver({ to: email, template, data }, { id: newId(), attempt })
  }

  private async sendToken(
    kind: OneTimeTokenKind,
    { email, userId }: { email: string; userId: string },
    attempt: JobAttempt,
  ): Promise<void> {
    const token = await this.database.workers.transaction({ userId }, (tx) =>
      this.tokens.issueForMail(kind, userId, tx),
    )
    if (!token) return
    const link = linkWithToken(this.config, PAGES[kind], token.text)
    const mail = { to: email, template: kind, data: { link, expiresAt: token.expiresAt.toISOString() } }
    try {
      await this.mailer.deliver(mail, { id: newId(), attempt })
    } catch (error) {
      // The next attempt makes its own, which must not count as one mail more.
      await this.tokens.withdraw(token)
      throw error
    }
  }
}
