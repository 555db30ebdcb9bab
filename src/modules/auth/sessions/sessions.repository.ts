import { Injectable } from '@nestjs/common'
import { IsNull, MoreThan } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import { RefreshTokenEntity } from './refresh-token.entity.js'
import { SessionEntity } from './session.entity.js'

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

  /** The session while it lasts; null once it is revoked or has expired. */
  findLive(sessionId: string, now: Date, tx: Tx): Promise<SessionEntity | null> {
    return tx.entities.findOneBy(SessionEntity, { id: sessionId, revokedAt: IsNull(), expiresAt: MoreThan(now) })
  }

  /** Moves the end of an idle session further out. */
  async extend(sessionId: string, expiresAt: Date, tx: Tx): Promise<void> {
    await tx.entities.update(SessionEntity, { id: sessionId }, { expiresAt })
  }

  async revoke(sessionId: string, now: Date, tx: Tx): Promise<void> {
    await tx.entities.update(SessionEntity, { id: sessionId, revokedAt: IsNull() }, { revokedAt: now })
  }
}
