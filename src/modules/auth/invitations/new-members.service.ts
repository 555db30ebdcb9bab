import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { Mailer } from '#platform/mail/mailer.js'
import { type Account, AccountsRepository } from '../accounts/accounts.repository.js'
import { MembersRepository } from '../members/members.repository.js'
import type { InvitationEntity } from './invitation.entity.js'
import type { Invitee } from './invitees.service.js'

export interface NewMember {
  readonly invitation: InvitationEntity
  readonly invitee: Invitee
  readonly name: string | null
}

/** Writes what an accepted invitation comes to: the membership, and the account where there was none. */
@Injectable()
export class NewMembers {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly members: MembersRepository,
    private readonly mailer: Mailer,
    private readonly clock: Clock,
  ) {}

  /** Scope: `tenantId` of the invitation and `userId` of the invitee. @throws AppError `already_member`, `email_taken` */
  async add({ invitation, invitee: { userId, newPasswordHash }, name }: NewMember, tx: Tx): Promise<Account> {
    const { tenantId, email, role } = invitation
    const now = this.clock.now()
    // A link that was mailed proves that he reads that mailbox; one that an admin handed over does not.
    const emailVerifiedAt = this.mailer.isConfigured ? now : null
    if (newPasswordHash !== null) {
      const user = { id: userId, email, name, emailVerifiedAt, createdAt: now, updatedAt: now }
      await this.accounts.createUser(user, newPasswordHash, tx)
    } else if (emailVerifiedAt) {
      await this.accounts.markVerified(userId, emailVerifiedAt, tx)
    }
    await this.members.add({ tenantId, userId, role, createdAt: now }, tx)
    const account = await this.accounts.findAccount(tenantId, userId, tx)
    if (!account) throw new Error('the member who was just added is not there')
    return account
  }
}
