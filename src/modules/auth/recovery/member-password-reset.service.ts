import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { linkWithToken } from '#platform/http/public-url.js'
import { Mailer } from '#platform/mail/mailer.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import { PasswordResetIssued } from '../auth.events.js'
import { OneTimeTokens } from './one-time-tokens.service.js'
import { RecoveryMails } from './recovery-mails.service.js'
import { type MemberReset, RESET_SENT } from './recovery.schemas.js'

type Member = Pick<Account, 'user' | 'membership'>

/** Lets an admin help a member who has lost his password: by mail, or by hand where there is no mail. */
@Injectable()
export class MemberPasswordReset {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly accounts: AccountsRepository,
    private readonly tokens: OneTimeTokens,
    private readonly mails: RecoveryMails,
    private readonly mailer: Mailer,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /**
   * @returns the link to hand over; null when it was mailed to the member
   * @throws AppError `not_found` for who is no member; `forbidden` for an owner unless one asks who is one, for oneself, and
   * for an API key; `member_of_other_tenants` when the link would open another team, too
   */
  async issue(principal: Principal, memberId: string): Promise<MemberReset | null> {
    const { tenantId, userId } = principal
    return this.database.transaction({ tenantId, userId }, async (tx) => {
      const member = isUuid(memberId) ? await this.accounts.findMember(tenantId, memberId, tx) : null
      if (!member) throw new AppError('not_found', 'not_found', { detail: 'There is no such member.' })
      assertMayReset(principal, member)
      const delivery = this.mailer.isConfigured ? 'mail' : 'link'
      await this.events.emit(new PasswordResetIssued(tenantId, memberId, delivery), tx)
      if (delivery === 'link') return this.handOver(principal, memberId, tx)
      await this.mails.requestIn({ template: 'password_reset', email: member.user.email }, tx)
      await this.idempotency.complete({ status: 202, body: RESET_SENT }, tx)
      return null
    })
  }

  private async handOver({ tenantId, userId: issuedBy }: Principal, userId: string, tx: Tx): Promise<MemberReset> {
    await tx.rescope({ tenantId, userId })
    const memberships = await this.accounts.listMemberships(userId, tx)
    if (memberships.length > 1) {
      throw new AppError('member_of_other_tenants', 'conflict', {
        detail:
          'This member belongs to another team as well, which the link would open, too: he must ask for it by mail.',
      })
    }
    const { text: token, expiresAt } = await this.tokens.issueForAdmin({ userId, issuedIn: tenantId, issuedBy }, tx)
    const resetUrl = linkWithToken(this.config, 'reset-password', token)
    const body = { resetUrl, token, expiresAt: expiresAt.toISOString() }
    await this.idempotency.complete({ status: 201, body }, tx)
    return body
  }
}

function assertMayReset({ userId, sessionId, role }: Principal, { user, membership }: Member): void {
  // A key that leaks must not become somebody's password.
  if (sessionId === null) throw forbidden('An API key cannot do this: sign in.')
  // A session that is stolen must not become the password either: to change one's own takes the current one.
  if (user.id === userId) throw forbidden('Change your own password with POST /v1/auth/password.')
  if (membership.role === 'owner' && role !== 'owner') throw forbidden("Only an owner can reset an owner's password.")
}

function forbidden(detail: string): AppError {
  return new AppError('forbidden', 'forbidden', { detail })
}
