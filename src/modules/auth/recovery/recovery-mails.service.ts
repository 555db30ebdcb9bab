import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { JobQueue } from '#platform/jobs/job-queue.js'
import { Mailer } from '#platform/mail/mailer.js'
import { RECOVERY_MAILS_QUEUE, type RecoveryMail } from './recovery-mail.js'

/** Takes requests for mail to an address. Whether anyone has the address is looked up later: here all are alike. */
@Injectable()
export class RecoveryMails {
  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly mailer: Mailer,
  ) {}

  /** One statement for every address; none where no mail can be sent. */
  async request(mail: RecoveryMail): Promise<void> {
    if (!this.mailer.isConfigured) return
    await this.database.transaction({}, (tx) => this.requestIn(mail, tx))
  }

  /** The same in the caller's transaction. */
  async requestIn(mail: RecoveryMail, tx: Tx): Promise<void> {
    await this.queue.send(RECOVERY_MAILS_QUEUE, mail, tx)
  }

  /** The same, unless one of that kind went to the address a moment ago. */
  async requestThrottled(mail: RecoveryMail, seconds: number, tx: Tx): Promise<void> {
    const key = `${mail.template}:${createHash('sha256').update(mail.email).digest('base64url')}`
    await this.queue.sendThrottled(RECOVERY_MAILS_QUEUE, mail, { key, seconds }, tx)
  }
}
