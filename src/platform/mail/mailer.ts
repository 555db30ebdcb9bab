import { type BeforeApplicationShutdown, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { z } from 'zod'
import { newId } from '#kernel/ids.js'
import { AppConfig } from '../config/app-config.js'
import type { Tx } from '../database/tx.js'
import { type JobAttempt, JobQueue, type RetryPolicy } from '../jobs/job-queue.js'
import { Sealer } from '../secrets/sealer.js'
import { MailMetrics } from './mail-metrics.js'
import { wordMail } from './mail-text.js'
import type { Mail } from './mail.js'
import { isReceiverRefused, SmtpTransport } from './smtp-transport.js'

const MAILS_QUEUE = 'mails'
/** At once on one replica, each on a connection of its own. */
const BATCH_SIZE = 5
/** Waits of 2 s, doubled up to 10 min: some 45 minutes, within the life of a password-reset link. */
export const MAIL_RETRY: RetryPolicy = { limit: 12, delaySeconds: 2, maxDelaySeconds: 600 }
/** At shutdown, a mail that is nearly sent may be; another attempt is made elsewhere or after the restart. */
const STOP_AFTER_MS = 2000

interface SealedMail {
  readonly id: string
  readonly sealed: string
}

/** Everything that has to do with mail, for those who want one sent. Without SMTP_URL there is none. */
@Injectable()
export class Mailer implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown {
  readonly isConfigured: boolean
  private readonly transport: SmtpTransport | undefined
  private readonly stopping = new AbortController()
  private stopTimer: NodeJS.Timeout | undefined

  constructor(
    private readonly config: AppConfig,
    private readonly queue: JobQueue,
    private readonly sealer: Sealer,
    private readonly metrics: MailMetrics,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(Mailer.name)
    const { SMTP_URL: url } = config.settings
    this.isConfigured = url !== undefined
    this.transport = url === undefined ? undefined : new SmtpTransport(url)
  }

  onModuleInit(): void {
    if (!this.isConfigured) return
    this.queue.register<SealedMail>({
      queue: MAILS_QUEUE,
      batchSize: BATCH_SIZE,
      retry: MAIL_RETRY,
      handleEach: ({ id, sealed }, attempt) => this.deliver(this.unseal(id, sealed), { id, attempt }),
    })
  }

  onModuleDestroy(): void {
    this.stopTimer = setTimeout(() => this.stopping.abort(), STOP_AFTER_MS).unref()
  }

  beforeApplicationShutdown(): void {
    clearTimeout(this.stopTimer)
    this.stopping.abort()
  }

  /**
   * Sends a mail once the caller's transaction has committed, at least once, over up to MAIL_RETRY. What it says, a link with
   * a token perhaps, is sealed until then. Without SMTP nothing happens: who must reach somebody asks `isConfigured` first.
   */
  async enqueue(mail: Mail, tx: Tx): Promise<void> {
    if (!this.isConfigured) return
    assertOneAddress(mail.to)
    const id = newId()
    const sealed = this.sealer.seal(Buffer.from(JSON.stringify(mail)), placeOf(id)).toString('base64url')
    await this.queue.send(MAILS_QUEUE, { id, sealed } satisfies SealedMail, tx)
  }

  /**
   * Sends a mail now, from a job with MAIL_RETRY, for what must not be stored even sealed. Resolves, too, when the receiver
   * is refused for good: another attempt changes nothing. @throws Error when it is worth another attempt
   */
  async deliver(mail: Mail, { id, attempt }: { id: string; attempt: JobAttempt }): Promise<void> {
    if (!this.transport) throw new Error('there is no SMTP_URL any more')
    assertOneAddress(mail.to)
    const { MAIL_FROM: from } = this.config.settings
    try {
      const outgoing = { ...wordMail(mail), from, to: mail.to, messageId: `<${id}@${domainOf(from)}>` }
      await this.transport.send(outgoing, AbortSignal.any([attempt.signal, this.stopping.signal]))
      this.metrics.count('sent')
    } catch (error) {
      const isRefused = isReceiverRefused(error)
      this.metrics.count(isRefused ? 'refused' : attempt.isLast ? 'failed' : 'retried')
      if (!isRefused) throw error
      // Not the error itself: what a mail server says of an address quotes it.
      const { responseCode } = error as { responseCode?: number }
      this.logger.warn({ event: 'mail_refused', mailId: id, template: mail.template, responseCode }, 'mail_refused')
    }
  }

  private unseal(id: string, sealed: string): Mail {
    return JSON.parse(this.sealer.open(Buffer.from(sealed, 'base64url'), placeOf(id)).toString('utf8')) as Mail
  }
}

function placeOf(id: string): string {
  return `${MAILS_QUEUE}/${id}`
}

/** A belt: addresses come in through `emailSchema`. One that held a second would hand somebody else's link to it. */
function assertOneAddress(address: string): void {
  if (!z.email().safeParse(address).success) throw new Error('a mail goes to exactly one address')
}

/** Of `no-reply@example.com` and of `Name <no-reply@example.com>`. */
function domainOf(from: string): string {
  return /@([\w.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost'
}
