import { Injectable } from '@nestjs/common'
import { In, IsNull, MoreThan, Not } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import { OneTimeTokenEntity, type OneTimeTokenKind } from './one-time-token.entity.js'

/** One-time tokens. Scope: `userId` of their user, unless a method says otherwise. */
@Injectable()
export class OneTimeTokensRepository {
  /** The token while it works; null for one that never was, is spent or has expired. Scope: `presentedHash`. */
  find(tokenHash: Buffer, kind: OneTimeTokenKind, now: Date, tx: Tx): Promise<OneTimeTokenEntity | null> {
    return tx.entities.findOneBy(OneTimeTokenEntity, openAt(now, { tokenHash, kind }))
  }

  /** Until the transaction ends, nobody else issues tokens for the user or changes his password. */
  async lockUser(userId: string, tx: Tx): Promise<void> {
    await tx.query({ text: 'SELECT 1 FROM credentials WHERE user_id = $1 FOR UPDATE', values: [userId] })
  }

  /** Tokens made since, replaced ones among them, that would not have expired yet. */
  countSince(
    { userId, kind, since, now }: { userId: string; kind: OneTimeTokenKind; since: Date; now: Date },
    tx: Tx,
  ): Promise<number> {
    const where = { userId, kind, createdAt: MoreThan(since), expiresAt: MoreThan(now) }
    return tx.entities.countBy(OneTimeTokenEntity, where)
  }

  /** Makes the user's older tokens of a kind worthless. */
  async retire({ userId, kind, now }: { userId: string; kind: OneTimeTokenKind; now: Date }, tx: Tx): Promise<void> {
    await tx.entities.update(OneTimeTokenEntity, { userId, kind, usedAt: IsNull() }, { usedAt: now })
  }

  async create(token: OneTimeTokenEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(OneTimeTokenEntity, token)
  }

  /** Spends a token: of two that try at once, one gets true. */
  async spend({ tokenHash, userId }: { tokenHash: Buffer; userId: string }, now: Date, tx: Tx): Promise<boolean> {
    const { affected } = await tx.entities.update(OneTimeTokenEntity, openAt(now, { tokenHash, userId }), {
      usedAt: now,
    })
    return affected === 1
  }

  async delete({ tokenHash, userId }: { tokenHash: Buffer; userId: string }, tx: Tx): Promise<void> {
    await tx.entities.delete(OneTimeTokenEntity, { tokenHash, userId })
  }

  /** Deletes the user's tokens of these kinds but this one. */
  async deleteOthers(
    { tokenHash, userId }: { tokenHash: Buffer; userId: string },
    kinds: readonly OneTimeTokenKind[],
    tx: Tx,
  ): Promise<void> {
    await tx.entities.delete(OneTimeTokenEntity, { userId, tokenHash: Not(tokenHash), kind: In(kinds) })
  }
}

function openAt<Where extends object>(now: Date, where: Where) {
  return { ...where, usedAt: IsNull(), expiresAt: MoreThan(now) }
}
