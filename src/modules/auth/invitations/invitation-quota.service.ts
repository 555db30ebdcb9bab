import { createHash } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { perDay, perHour, type Charge } from '#platform/http/rate-limits/limit.js'
import { RateLimitStorage } from '#platform/http/rate-limits/rate-limit-storage.js'
import { Mailer } from '#platform/mail/mailer.js'

/** To one address, from all tenants together: who invites, takes back and invites again still sends no flood. */
const MAILS = perHour('invitation-mail', 3)
/** Of one tenant. Counted when they are asked for, so that those which were replaced or taken back count, too. */
const INVITATIONS = perDay('invitations', 500)

/** Keeps the invitations of a tenant, and the mails to an address, to what people need. */
@Injectable()
export class InvitationQuota {
  constructor(
    private readonly windows: RateLimitStorage,
    private readonly mailer: Mailer,
  ) {}

  /** Outside of any transaction: it is counted in Redis. @throws AppError `rate_limited` */
  async take(tenantId: string, email: string): Promise<void> {
    await this.charge({ limit: INVITATIONS, key: `${INVITATIONS.name}:${tenantId}` })
    if (!this.mailer.isConfigured) return
    const addressHash = createHash('sha256').update(email).digest('base64url')
    await this.charge({ limit: MAILS, key: `${MAILS.name}:${addressHash}` })
  }

  private async charge({ limit: { name, quota, windowMs }, key }: Charge): Promise<void> {
    const { isBlocked, timeToExpire } = await this.windows.increment(key, windowMs, quota, 0, name)
    if (!isBlocked) return
    throw new AppError('rate_limited', 'rate_limited', {
      detail: `Too many invitations (${name}). Try again in ${timeToExpire} s.`,
      retryAfterSeconds: timeToExpire,
    })
  }
}
