import { Injectable } from '@nestjs/common'
import { IsNull, LessThan, type FindOptionsWhere, LessThanOrEqual, MoreThan } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import type { Role } from '#platform/http/principal.js'
import { InvitationEntity } from './invitation.entity.js'

/** What is left of an invitation that was taken back. */
export type RevokedInvitation = Pick<InvitationEntity, 'id' | 'email'>

/** Invitations. Scope: `tenantId`, but where another is named. */
@Injectable()
export class InvitationsRepository {
  async create(invitation: InvitationEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(InvitationEntity, invitation)
  }

  /** Open ones, newest first; up to `limit` after the invitation `after`. */
  list(
    { tenantId, now, after, limit }: { tenantId: string; now: Date; after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<InvitationEntity[]> {
    const where = openAt(now, { tenantId, ...(after !== undefined && { id: LessThan(after) }) })
    return tx.entities.find(InvitationEntity, { where, order: { id: 'DESC' }, take: limit })
  }

  countOpen(tenantId: string, now: Date, tx: Tx): Promise<number> {
    return tx.entities.countBy(InvitationEntity, openAt(now, { tenantId }))
  }

  /** The open invitation with this token, whosever it is. Scope: `presentedHash` of the token. */
  findPresented(tokenHash: Buffer, now: Date, tx: Tx): Promise<InvitationEntity | null> {
    return tx.entities.findOneBy(InvitationEntity, openAt(now, { tokenHash }))
  }

  /** Uses an invitation up: of two that try at once, one gets true. */
  async claim({ tenantId, id }: InvitationEntity, now: Date, tx: Tx): Promise<boolean> {
    const { affected } = await tx.entities.update(InvitationEntity, openAt(now, { tenantId, id }), { acceptedAt: now })
    return affected === 1
  }

  /** Takes one back that was not accepted. @returns null when there is none */
  async revoke(tenantId: string, id: string, tx: Tx): Promise<RevokedInvitation | null> {
    const rows = await tx.query<RevokedInvitation>({
      text: 'DELETE FROM invitations WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL RETURNING id, email',
      values: [tenantId, id],
    })
    return rows[0] ?? null
  }

  /** Takes back what this address was sent before. */
  revokeOf(tenantId: string, email: string, tx: Tx): Promise<RevokedInvitation[]> {
    return tx.query<RevokedInvitation>({
      text: 'DELETE FROM invitations WHERE tenant_id = $1 AND email = $2 AND accepted_at IS NULL RETURNING id, email',
      values: [tenantId, email],
    })
  }

  /** Takes back what a user made, but for what is within `roles`. */
  revokeBeyond(
    { tenantId, invitedBy, roles }: { tenantId: string; invitedBy: string; roles: readonly Role[] },
    tx: Tx,
  ): Promise<RevokedInvitation[]> {
    return tx.query<RevokedInvitation>({
      text: `DELETE FROM invitations
              WHERE tenant_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND role <> ALL ($3)
              RETURNING id, email`,
      values: [tenantId, invitedBy, roles],
    })
  }

  async deleteExpired(tenantId: string, now: Date, tx: Tx): Promise<void> {
    await tx.entities.delete(InvitationEntity, { tenantId, acceptedAt: IsNull(), expiresAt: LessThanOrEqual(now) })
  }
}

function openAt(now: Date, where: FindOptionsWhere<InvitationEntity>): FindOptionsWhere<InvitationEntity> {
  return { ...where, acceptedAt: IsNull(), expiresAt: MoreThan(now) }
}
