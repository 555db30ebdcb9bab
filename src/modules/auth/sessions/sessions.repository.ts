import { Injectable } from '@nestjs/common'
import { IsNull, MoreThan } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import { RefreshTokenEntity } from './refresh-token.entity.js'
import { SessionEntity } from './session.entity.js'

/** A session that has just been ended. */
export type EndedSession = Pick<SessionEntity, 'id' | 'tenantId'>

/** Sessions and their chains of refresh tokens. */
@Injectable()
export class SessionsRepository {
  async create(session: SessionEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(SessionEntity, session)
  }

  async addRefreshToken(token: RefreshTokenEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(RefreshTokenEntity, token)
  }

  /** Spends a token: of two that try at once, one gets true. */
  async spendRefreshToken(tokenHash: Buffer, now: Date, tx: Tx): Promise<boolean> {
    const unspent = { tokenHash, usedAt: IsNull(), expiresAt: MoreThan(now) }
    const { affected } = await tx.entities.update(RefreshTokenEntity, unspent, { usedAt: now })
    return affected === 1
  }

  findRefreshToken(tokenHash: Buffer, tx: Tx): Promise<RefreshTokenEntity | null> {
    return tx.entities.findOneBy(RefreshTokenEntity, { tokenHash })
  }

  /** The session while it lasts; null once it is revoked or has come to either of its ends. */
  findLive(id: string, now: Date, tx: Tx): Promise<SessionEntity | null> {
    return tx.entities.findOneBy(SessionEntity, liveAt(now, { id }))
  }

  /** A refresh: the session was used, and its idle end moves. */
  async touch(
    id: string,
    use: Pick<SessionEntity, 'expiresAt' | 'lastUsedAt' | 'address' | 'userAgent'>,
    tx: Tx,
  ): Promise<void> {
    await tx.entities.update(SessionEntity, { id }, use)
  }

  /** A user's live sessions in all of his tenants, newest first. Scope: `userId`. Up to `limit`, after the session `after`. */
  async list(
    { userId, now, after, limit }: { userId: string; now: Date; after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<SessionEntity[]> {
    const query = tx.entities
      .createQueryBuilder(SessionEntity, 's')
      .where(liveAt(now, { userId }))
      .orderBy('s.id', 'DESC')
      .take(limit)
    if (after !== undefined) query.andWhere('s.id < :after', { after })
    return query.getMany()
  }

  /** Ends one session. Scope: `userId` or `tenantId`. @returns its tenant; null when it was not live */
  async end({ id, userId, now }: { id: string; userId: string; now: Date }, tx: Tx): Promise<string | null> {
    const rows = await tx.query<{ tenantId: string }>({
      text: `UPDATE sessions SET revoked_at = $3
              WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 AND ends_at > $3
             RETURNING tenant_id AS "tenantId"`,
      values: [id, userId, now],
    })
    return rows[0]?.tenantId ?? null
  }

  /** Ends a user's sessions but one. Scope: `userId` for those in all of his tenants, `tenantId` for those in one. */
  async endAll(
    { userId, exceptSessionId, now }: { userId: string; exceptSessionId: string | null; now: Date },
    tx: Tx,
  ): Promise<EndedSession[]> {
    return tx.query<EndedSession>({
      text: `UPDATE sessions SET revoked_at = $3
              WHERE user_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id <> $2)
             RETURNING id, tenant_id AS "tenantId"`,
      values: [userId, exceptSessionId, now],
    })
  }

  /** Ends the oldest of a user's live sessions in all of his tenants, so that `keep` are left. Scope: `userId`. @returns their ids */
  async endBeyond({ userId, keep, now }: { userId: string; keep: number; now: Date }, tx: Tx): Promise<string[]> {
    const rows = await tx.query<{ id: string }>({
      text: `UPDATE sessions SET revoked_at = $2
              WHERE user_id = $1 AND revoked_at IS NULL AND id IN
                (SELECT id FROM sessions
                  WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND ends_at > $2
                  ORDER BY id DESC OFFSET $3)
              RETURNING id`,
      values: [userId, now, keep],
    })
    return rows.map(({ id }) => id)
  }
}

function liveAt<Where extends object>(now: Date, where: Where) {
  return { ...where, revokedAt: IsNull(), expiresAt: MoreThan(now), endsAt: MoreThan(now) }
}
