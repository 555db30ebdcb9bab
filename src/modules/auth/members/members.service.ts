import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { Clock } from '#kernel/clock.js'
import { isUuid } from '#kernel/ids.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import { memberEpoch } from '../access/epoch-names.js'
import { MemberChanges } from './member-changes.service.js'
import { assertHasSay, assertUnchanged, losesOwner } from './membership-rules.js'
import { type MemberRow, MembersRepository } from './members.repository.js'
import { type Member, type MemberListQuery, MEMBERS_TAG, type UpdateMemberCommand } from './members.schemas.js'

/** A member as he shall be; null: gone. */
type Decision<After extends MemberRow | null> = (before: MemberRow) => After

/** The people of a tenant, and what they are in it. A change holds from the next request on, on every replica. */
@Injectable()
export class Members {
  constructor(
    private readonly database: Database,
    private readonly members: MembersRepository,
    private readonly changes: MemberChanges,
    private readonly epochs: Epochs,
    private readonly responses: ResponseCache,
    private readonly clock: Clock,
  ) {}

  async list({ tenantId }: Principal, { limit, cursor }: MemberListQuery): Promise<Page<Member>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.database.transaction({ tenantId }, (tx) =>
      this.members.list({ tenantId, after, limit: limit + 1 }, tx),
    )
    const page = toPage(rows, limit, ({ id }) => id)
    return { ...page, data: page.data.map(toMember) }
  }

  /** @throws AppError `not_found`, the same for a member of another tenant; `forbidden`; `last_owner` */
  async update(principal: Principal, userId: string, { role, disabled }: UpdateMemberCommand): Promise<Member> {
    const now = this.clock.now()
    const after = await this.change(principal, userId, (before) => ({
      ...before,
      role: role ?? before.role,
      disabledAt: (disabled ?? before.disabledAt !== null) ? (before.disabledAt ?? now) : null,
    }))
    return toMember(after)
  }

  /** @throws AppError `not_found`, the same for a member of another tenant; `forbidden`; `last_owner` */
  async remove(principal: Principal, userId: string): Promise<void> {
    // A key that may not change members must not end the membership of who made it.
    const isLeaving = userId.toLowerCase() === principal.userId && principal.sessionId !== null
    if (!isLeaving && !principal.permissions.has('members:write')) {
      throw forbidden('To remove somebody else you need the permission members:write.')
    }
    await this.change(principal, userId, () => null)
  }

  private async change<After extends MemberRow | null>(
    principal: Principal,
    userId: string,
    decide: Decision<After>,
  ): Promise<After> {
    const { tenantId } = principal
    if (!isUuid(userId)) throw noSuchMember()
    // Without `userId` in its scope: as the member himself it would end his sessions in other tenants, too.
    const { before, after } = await this.database.transaction({ tenantId }, async (tx) => {
      // One change of a tenant's people at a time: of two owners who demote each other, one is too late.
      await this.members.lock(tenantId, tx)
      const before = await this.members.find(tenantId, userId, tx)
      if (!before) throw noSuchMember()
      const after = decide(before)
      await this.assertAllowed(principal, { before, after }, tx)
      await this.changes.apply({ tenantId, before, after }, tx)
      return { before, after }
    })
    await Promise.all([
      this.epochs.advance([memberEpoch(tenantId, before.id)]),
      this.responses.invalidate([tenantId], [MEMBERS_TAG]),
    ])
    return after
  }

  private async assertAllowed(
    principal: Principal,
    { before, after }: { before: MemberRow; after: MemberRow | null },
    tx: Tx,
  ): Promise<void> {
    const { tenantId, userId, role } = principal
    assertHasSay(principal, before.role)
    if (after) assertHasSay(principal, after.role)
    if (losesOwner(before, after) && !(await this.members.hasOtherOwner(tenantId, before.id, tx))) throw lastOwner()
    assertUnchanged(role, await this.members.find(tenantId, userId, tx))
    if (before.id === userId && after?.disabledAt) throw forbidden('Nobody suspends himself.')
  }
}

function toMember({ disabledAt, createdAt, ...member }: MemberRow): Member {
  return { ...member, disabled: disabledAt !== null, createdAt: createdAt.toISOString() }
}

function noSuchMember(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such member.' })
}

function forbidden(detail: string): AppError {
  return new AppError('forbidden', 'forbidden', { detail })
}

function lastOwner(): AppError {
  return new AppError('last_owner', 'conflict', {
    detail: 'A tenant keeps an owner who can act: make somebody else an owner first.',
  })
}
