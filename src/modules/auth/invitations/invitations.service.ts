import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid, newId } from '#kernel/ids.js'
import { AppConfig } from '#platform/config/app-config.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { assertHasSay, assertUnchanged } from '../members/membership-rules.js'
import { MembersRepository } from '../members/members.repository.js'
import { InvitationDelivery } from './invitation-delivery.service.js'
import type { InvitationEntity } from './invitation.entity.js'
import { InvitationQuota } from './invitation-quota.service.js'
import { mintInvitationToken } from './invitation-token.js'
import { InvitationCreated, InvitationRevoked } from './invitations.events.js'
import { InvitationsRepository } from './invitations.repository.js'
import type { Invitation, InvitationListQuery, InviteCommand, NewInvitation } from './invitations.schemas.js'

/** More open ones than a team needs at once, and few enough that a stolen account sends no flood. */
const MAX_OPEN_INVITATIONS = 200
const MS_PER_SECOND = 1000

/** Invitations into a tenant, as its admins make and see them. */
@Injectable()
export class Invitations {
  constructor(
    private readonly config: AppConfig,
    private readonly database: Database,
    private readonly invitations: InvitationsRepository,
    private readonly members: MembersRepository,
    private readonly quota: InvitationQuota,
    private readonly delivery: InvitationDelivery,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `forbidden` for a role above one's own; `rate_limited`; `already_member`; `too_many_invitations` */
  async create(principal: Principal, { email, role }: InviteCommand): Promise<NewInvitation> {
    const { tenantId, userId: invitedBy } = principal
    assertHasSay(principal, role)
    await this.quota.take(tenantId, email)
    const now = this.clock.now()
    const expiresAt = new Date(now.getTime() + this.config.settings.INVITATION_TTL_SECONDS * MS_PER_SECOND)
    const token = mintInvitationToken()
    const invitation: InvitationEntity = {
      tenantId,
      id: newId(),
      email,
      role,
      tokenHash: token.hash,
      invitedBy,
      createdAt: now,
      expiresAt,
      acceptedAt: null,
    }
    return this.database.transaction({ tenantId }, async (tx) => {
      await this.members.lock(tenantId, tx)
      assertUnchanged(principal.role, await this.members.find(tenantId, invitedBy, tx))
      if (await this.members.hasEmail(tenantId, email, tx)) throw alreadyMember()
      await this.makeRoom(invitation, tx)
      await this.invitations.create(invitation, tx)
      const handedOver = await this.delivery.deliver(invitation, token, tx)
      await this.events.emit(new InvitationCreated(tenantId, invitation.id, { email, role, expiresAt }), tx)
      const body = { ...toInvitation(invitation), ...handedOver }
      await this.idempotency.complete({ status: 201, body }, tx)
      return body
    })
  }

  async list({ tenantId }: Principal, { limit, cursor }: InvitationListQuery): Promise<Page<Invitation>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.database.transaction({ tenantId }, (tx) =>
      this.invitations.list({ tenantId, now: this.clock.now(), after, limit: limit + 1 }, tx),
    )
    const page = toPage(rows, limit, ({ id }) => id)
    return { ...page, data: page.data.map(toInvitation) }
  }

  /** @throws AppError `not_found`, the same for another tenant's and for one that was accepted */
  async revoke({ tenantId }: Principal, id: string): Promise<void> {
    if (!isUuid(id)) throw noSuchInvitation()
    await this.database.transaction({ tenantId }, async (tx) => {
      const revoked = await this.invitations.revoke(tenantId, id, tx)
      if (!revoked) throw noSuchInvitation()
      await this.events.emit(new InvitationRevoked(tenantId, revoked.id, revoked.email), tx)
    })
  }

  /** The tenant is locked: nobody else takes the room. */
  private async makeRoom({ tenantId, email, createdAt: now }: InvitationEntity, tx: Tx): Promise<void> {
    await this.invitations.deleteExpired(tenantId, now, tx)
    for (const { id } of await this.invitations.revokeOf(tenantId, email, tx)) {
      await this.events.emit(new InvitationRevoked(tenantId, id, email), tx)
    }
    if ((await this.invitations.countOpen(tenantId, now, tx)) < MAX_OPEN_INVITATIONS) return
    throw new AppError('too_many_invitations', 'conflict', {
      detail: `Only ${MAX_OPEN_INVITATIONS} invitations may be open at a time: take some back.`,
    })
  }
}

function toInvitation({ id, email, role, invitedBy, createdAt, expiresAt }: InvitationEntity): Invitation {
  return { id, email, role, invitedBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
}

function alreadyMember(): AppError {
  return new AppError('already_member', 'conflict', { detail: 'This address belongs to a member already.' })
}

function noSuchInvitation(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such open invitation.' })
}
