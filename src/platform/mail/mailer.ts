import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { AppConfig } from '../config/app-config.js'
import type { Tx } from '../database/tx.js'

/** What an invitation says. */
export interface InvitationMail {
  readonly to: string
  readonly template: 'invitation'
  readonly data: {
    readonly tenantName: string
    readonly inviterName: string
    readonly link: string
    readonly expiresAt: string
  }
}

/** Mail to people. */
@Injectable()
export class Mailer {
  constructor(private readonly config: AppConfig) {}

  /** Whether this server sends mail at all. */
  get isConfigured(): boolean {
    return this.config.settings.SMTP_URL !== undefined
  }

  /** @throws AppError `unavailable` */
  async enqueue(_mail: InvitationMail, _tx: Tx): Promise<void> {
    throw new AppError('unavailable', 'unavailable', { detail: 'Mail cannot be sent.' })
  }
}
