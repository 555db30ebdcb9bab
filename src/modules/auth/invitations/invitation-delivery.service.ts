import { Injectable } from '@nestjs/common'
import { AppConfig } from '#platform/config/app-config.js'
import type { Tx } from '#platform/database/tx.js'
import { linkWithToken } from '#platform/http/public-url.js'
import { Mailer } from '#platform/mail/mailer.js'
import { AccountsRepository } from '../accounts/accounts.repository.js'
import type { InvitationEntity } from './invitation.entity.js'
import type { InvitationToken } from './invitation-token.js'
import type { NewInvitation } from './invitations.schemas.js'

/** Gets an invitation to the invited one: by mail, or through the hands of who made it where no mail is set up. */
@Injectable()
export class InvitationDelivery {
  constructor(
    private readonly config: AppConfig,
    private readonly mailer: Mailer,
    private readonly accounts: AccountsRepository,
  ) {}

  /** Mails the link once `tx` commits. @returns what the answer shows of it: nothing when it is mailed */
  async deliver(
    { tenantId, invitedBy, email, expiresAt }: InvitationEntity,
    token: InvitationToken,
    tx: Tx,
  ): Promise<Pick<NewInvitation, 'acceptUrl' | 'token'>> {
    const acceptUrl = linkWithToken(this.config, 'accept-invitation', token.text)
    if (!this.mailer.isConfigured) return { acceptUrl, token: token.text }
    const inviter = await this.accounts.findAccount(tenantId, invitedBy, tx)
    const data = {
      tenantName: inviter?.tenant.name ?? '',
      inviterName: inviter?.user.name ?? inviter?.user.email ?? '',
      link: acceptUrl,
      expiresAt: expiresAt.toISOString(),
    }
    await this.mailer.enqueue({ to: email, template: 'invitation', data }, tx)
    return {}
  }
}
