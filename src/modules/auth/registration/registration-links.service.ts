import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import { linkWithToken } from '#platform/http/public-url.js'
import type { JobAttempt } from '#platform/jobs/job-queue.js'
import { Mailer } from '#platform/mail/mailer.js'
import { Sealer } from '#platform/secrets/sealer.js'
import { mintOneTimeToken } from '../recovery/one-time-token.js'
import {
  MAIL_WINDOW_SECONDS,
  MAX_MAILED_PER_WINDOW,
  VERIFICATION_TTL_SECONDS,
} from '../recovery/one-time-tokens.service.js'
import { emailHashOf } from '../sessions/login-lockout.service.js'
import { placeOf, type PendingRegistration } from './pending-registration.js'
import type { PendingRegistrationEntity } from './pending-registration.entity.js'
import { PendingRegistrationsRepository } from './pending-registrations.repository.js'

const MS_PER_SECOND = 1000
const PAGE = 'verify-email'

type Waiting = Pick<PendingRegistrationEntity, 'userId' | 'emailHash' | 'sealed'>

/**
 * Mails the links that make accounts of registrations. Of several registrations of an address each has a link of its own,
 * with its own password: who registers somebody else's address gets nothing from what she registers herself.
 */
@Injectable()
export class RegistrationLinks {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly pending: PendingRegistrationsRepository,
    private readonly sealer: Sealer,
    private readonly mailer: Mailer,
    private readonly clock: Clock,
  ) {}

  /** From a job with MAIL_RETRY. @throws Error when it is worth another attempt */
  async send(registration: PendingRegistration, attempt: JobAttempt): Promise<void> {
    const { userId, email } = registration
    const sealed = this.sealer.seal(Buffer.from(JSON.stringify(registration)), placeOf(userId))
    await this.mail({ userId, emailHash: emailHashOf(email), sealed }, email, attempt)
  }

  /** The same once more, where one registration alone waits: of two nobody can tell whose is asked for. */
  async sendAgain(email: string, attempt: JobAttempt): Promise<void> {
    const emailHash = emailHashOf(email)
    const [newest, ...others] = await this.database.workers.transaction({ presentedHash: emailHash }, (tx) =>
      this.pending.list(emailHash, this.clock.now(), tx),
    )
    if (newest && others.every(({ userId }) => userId === newest.userId)) await this.mail(newest, email, attempt)
  }

  private async mail(waiting: Waiting, email: string, attempt: JobAttempt): Promise<void> {
    const { text, hash: tokenHash } = mintOneTimeToken('email_verification')
    const createdAt = this.clock.now()
    const expiresAt = new Date(createdAt.getTime() + VERIFICATION_TTL_SECONDS * MS_PER_SECOND)
    const { userId, emailHash, sealed } = waiting
    const row = { tokenHash, userId, emailHash, sealed, createdAt, expiresAt }
    if (!(await this.add(row))) return
    const link = linkWithToken(this.config, PAGE, text)
    const data = { link, expiresAt: expiresAt.toISOString() }
    try {
      await this.mailer.deliver({ to: email, template: 'email_verification', data }, { id: newId(), attempt })
    } catch (error) {
      // The next attempt makes its own, which must not count as one mail more.
      await this.database.workers.transaction({ presentedHash: emailHash }, (tx) => this.pending.delete(row, tx))
      throw error
    }
  }

  /** @returns false when the address got enough mails */
  private add(row: PendingRegistrationEntity): Promise<boolean> {
    const { emailHash, createdAt } = row
    const since = new Date(createdAt.getTime() - MAIL_WINDOW_SECONDS * MS_PER_SECOND)
    return this.database.workers.transaction({ presentedHash: emailHash }, async (tx) => {
      await this.pending.lockAddress(emailHash, tx)
      if ((await this.pending.countSince(emailHash, since, tx)) >= MAX_MAILED_PER_WINDOW) return false
      await this.pending.add(row, tx)
      return true
    })
  }
}
