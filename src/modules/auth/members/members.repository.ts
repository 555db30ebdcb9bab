import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import type { Tx } from '#platform/database/tx.js'
import type { Role } from '#platform/http/principal.js'
import { MembershipEntity } from '../accounts/membership.entity.js'

const MEMBER_COLUMNS =
  'm.user_id AS id, u.email, u.name, m.role, m.disabled_at AS "disabledAt", m.created_at AS "createdAt"'
const FROM_MEMBERS = 'FROM memberships m JOIN users u ON u.id = m.user_id'

/** A membership with the profile of the user who has it. */
export interface MemberRow {
  readonly id: string
  readonly email: string
  readonly name: string | null
  readonly role: Role
  /** Suspended since; null: not. */
  readonly disabledAt: Date | null
  readonly createdAt: Date
}

/** The people of a tenant. Scope of everything here: `tenantId`. */
@Injectable()
export class MembersRepository {
  /** Holds everybody off who would change the tenant's people until `tx` ends; what is read after it is true until then. */
  async lock(tenantId: string, tx: Tx): Promise<void> {
    // Not FOR UPDATE: what only refers to the tenant, such as a run that starts, need not wait.
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
  }

  /** Up to `limit` members with a user id below `after`, the newest account first. */
  list(
    { tenantId, after, limit }: { tenantId: string; after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<MemberRow[]> {
    return tx.query<MemberRow>({
      text: `SELECT ${MEMBER_COLUMNS} ${FROM_MEMBERS}
              WHERE m.tenant_id = $1 AND ($2::uuid IS NULL OR m.user_id < $2)
              ORDER BY m.user_id DESC LIMIT $3`,
      values: [tenantId, after ?? null, limit],
    })
  }

  async find(tenantId: string, userId: string, tx: Tx): Promise<MemberRow | null> {
    const rows = await tx.query<MemberRow>({
      text: `SELECT ${MEMBER_COLUMNS} ${FROM_MEMBERS} WHERE m.tenant_id = $1 AND m.user_id = $2`,
      values: [tenantId, userId],
    })
    return rows[0] ?? null
  }

  async hasEmail(tenantId: string, email: string, tx: Tx): Promise<boolean> {
    const rows = await tx.query({
      text: `SELECT 1 ${FROM_MEMBERS} WHERE m.tenant_id = $1 AND u.email = $2`,
      values: [tenantId, email],
    })
    return rows.length > 0
  }

  /** Whether anyone but this user owns the tenant and is not suspended. */
  async hasOtherOwner(tenantId: string, userId: string, tx: Tx): Promise<boolean> {
    const rows = await tx.query({
      text: `SELECT 1 FROM memberships
              WHERE tenant_id = $1 AND user_id <> $2 AND role = 'owner' AND disabled_at IS NULL LIMIT 1`,
      values: [tenantId, userId],
    })
    return rows.length > 0
  }

  /** @throws AppError `already_member` */
  async add({ tenantId, userId, role, createdAt }: Omit<MembershipEntity, 'disabledAt'>, tx: Tx): Promise<void> {
    const added = await tx.execute({
      text: `INSERT INTO memberships (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING`,
      values: [tenantId, userId, role, createdAt],
    })
    if (added === 1) return
    throw new AppError('already_member', 'conflict', { detail: 'This user is a member already.' })
  }

  async update(
    { tenantId, userId }: Pick<MembershipEntity, 'tenantId' | 'userId'>,
    { role, disabledAt }: Pick<MembershipEntity, 'role' | 'disabledAt'>,
    tx: Tx,
  ): Promise<void> {
    await tx.entities.update(MembershipEntity, { tenantId, userId }, { role, disabledAt })
  }

  /** Takes the user's sessions and API keys in this tenant with it. */
  async remove(tenantId: string, userId: string, tx: Tx): Promise<void> {
    await tx.entities.delete(MembershipEntity, { tenantId, userId })
  }
}
