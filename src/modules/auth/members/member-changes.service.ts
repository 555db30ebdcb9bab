import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Role } from '#platform/http/principal.js'
import { ApiKeyDeleted } from '../api-keys/api-key.events.js'
import { ApiKeysRepository } from '../api-keys/api-keys.repository.js'
import { InvitationRevoked } from '../invitations/invitations.events.js'
import { InvitationsRepository } from '../invitations/invitations.repository.js'
import { permissionsOf } from '../permissions.js'
import { SessionsRepository } from '../sessions/sessions.repository.js'
import { MemberReinstated, MemberRemoved, MemberRoleChanged, MemberSuspended } from './members.events.js'
import { rolesWithin } from './membership-rules.js'
import { type MemberRow, MembersRepository } from './members.repository.js'

export interface MemberChange {
  readonly tenantId: string
  readonly before: MemberRow
  /** Null: gone. */
  readonly after: MemberRow | null
}

/** Writes what a change of a member comes to, once it is allowed. Scope: `tenantId` alone. */
@Injectable()
export class MemberChanges {
  constructor(
    private readonly members: MembersRepository,
    private readonly sessions: SessionsRepository,
    private readonly invitations: InvitationsRepository,
    private readonly keys: ApiKeysRepository,
    private readonly events: EventBus,
    private readonly clock: Clock,
  ) {}

  async apply({ tenantId, before, after }: MemberChange, tx: Tx): Promise<void> {
    const { id: userId } = before
    const isSuspendedNow = before.disabledAt === null && after !== null && after.disabledAt !== null
    if (after) await this.members.update({ tenantId, userId }, after, tx)
    else await this.remove(tenantId, userId, tx)
    if (isSuspendedNow) await this.sessions.endAll({ userId, exceptSessionId: null, now: this.clock.now() }, tx)
    const revoked = await this.invitations.revokeBeyond({ tenantId, invitedBy: userId, roles: mayInviteAs(after) }, tx)
    for (const event of eventsOf({ tenantId, before, after })) await this.events.emit(event, tx)
    for (const { id, email } of revoked) await this.events.emit(new InvitationRevoked(tenantId, id, email), tx)
  }

  /** With his keys, of which others are told: budgets go with them. */
  private async remove(tenantId: string, userId: string, tx: Tx): Promise<void> {
    const keys = await this.keys.deleteOf({ tenantId, userId }, tx)
    await this.members.remove(tenantId, userId, tx)
    for (const key of keys) await this.events.emit(new ApiKeyDeleted(key), tx)
  }
}

/** What he might still invite people as: an invitation must not outlive the say of who made it. */
function mayInviteAs(member: MemberRow | null): readonly Role[] {
  if (!member || member.disabledAt !== null) return []
  return permissionsOf(member.role).has('members:write') ? rolesWithin(member.role) : []
}

function eventsOf({ tenantId, before, after }: MemberChange) {
  const { id } = before
  if (!after) return [new MemberRemoved(tenantId, id, before.role)]
  const roles = { before: before.role, after: after.role }
  const wasSuspended = before.disabledAt !== null
  const isSuspended = after.disabledAt !== null
  return [
    ...(roles.before === roles.after ? [] : [new MemberRoleChanged(tenantId, id, roles)]),
    ...(!wasSuspended && isSuspended ? [new MemberSuspended(tenantId, id)] : []),
    ...(wasSuspended && !isSuspended ? [new MemberReinstated(tenantId, id)] : []),
  ]
}
