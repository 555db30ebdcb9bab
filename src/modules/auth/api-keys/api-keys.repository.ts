import { Injectable } from '@nestjs/common'
import { In } from 'typeorm'
import type { Tx } from '#platform/database/tx.js'
import { ApiKeyEntity, type ApiKeyRecord } from './api-key.entity.js'

/** Whose keys are meant: one member's, or with `userId` null those of everybody in the tenant. */
export interface ApiKeyOwner {
  readonly tenantId: string
  readonly userId: string | null
}

/** API keys. The guard reads them in its own way, past this: access/standings.repository.ts. */
@Injectable()
export class ApiKeysRepository {
  async add(key: ApiKeyEntity, tx: Tx): Promise<void> {
    await tx.entities.insert(ApiKeyEntity, key)
  }

  /** Counts a member's keys, expired ones too; until `tx` ends nobody else counts or adds. @returns null when there is no such member */
  async countForAdding({ tenantId, userId }: { tenantId: string; userId: string }, tx: Tx): Promise<number | null> {
    const members = await tx.execute({
      text: 'SELECT 1 FROM memberships WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE',
      values: [tenantId, userId],
    })
    return members === 1 ? tx.entities.countBy(ApiKeyEntity, { tenantId, userId }) : null
  }

  find(id: string, owner: ApiKeyOwner, tx: Tx): Promise<ApiKeyRecord | null> {
    return tx.entities.findOneBy(ApiKeyEntity, { ...whereOf(owner), id })
  }

  /** Newest first; up to `limit`, after the key `after`. */
  list(
    owner: ApiKeyOwner,
    { after, limit }: { after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<ApiKeyRecord[]> {
    const query = tx.entities
      .createQueryBuilder(ApiKeyEntity, 'k')
      .where(whereOf(owner))
      .orderBy('k.id', 'DESC')
      .take(limit)
    if (after !== undefined) query.andWhere('k.id < :after', { after })
    return query.getMany()
  }

  /** The key and all that was made with it, and with those: deleting the first deletes them all. */
  async listWithOffspring({ tenantId, id }: ApiKeyRecord, tx: Tx): Promise<ApiKeyRecord[]> {
    const rows = await tx.query<{ id: string }>({
      text: `WITH RECURSIVE family AS (
               SELECT id FROM api_keys WHERE tenant_id = $1 AND id = $2
               UNION SELECT k.id FROM api_keys k JOIN family f ON k.made_by_key_id = f.id WHERE k.tenant_id = $1
             ) SELECT id FROM family`,
      values: [tenantId, id],
    })
    return tx.entities.findBy(ApiKeyEntity, { tenantId, id: In(rows.map((row) => row.id)) })
  }

  /** @returns whether it was there: of two that delete it at once one gets true */
  async delete({ tenantId, id }: ApiKeyRecord, tx: Tx): Promise<boolean> {
    const { affected } = await tx.entities.delete(ApiKeyEntity, { tenantId, id })
    return affected === 1
  }

  /** Deletes all of a member's keys; until `tx` ends he gets no other. @returns them as they were */
  async deleteOf(owner: { tenantId: string; userId: string }, tx: Tx): Promise<ApiKeyRecord[]> {
    await this.countForAdding(owner, tx)
    const keys = await tx.entities.findBy(ApiKeyEntity, owner)
    await tx.entities.delete(ApiKeyEntity, owner)
    return keys
  }

  /** On the path of every run that a key starts. */
  async has(tenantId: string, id: string, tx: Tx): Promise<boolean> {
    const rows = await tx.query({
      name: 'api_key_has',
      text: 'SELECT 1 FROM api_keys WHERE tenant_id = $1 AND id = $2',
      values: [tenantId, id],
    })
    return rows.length === 1
  }

  /** Writes a use down, unless another replica has written one since `unlessAfter`. */
  async touch(
    { tenantId, id, usedAt, unlessAfter }: { tenantId: string; id: string; usedAt: Date; unlessAfter: Date },
    tx: Tx,
  ): Promise<void> {
    await tx.execute({
      name: 'api_key_touch',
      text: `UPDATE api_keys SET last_used_at = $3
              WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $4)`,
      values: [tenantId, id, usedAt, unlessAfter],
    })
  }
}

function whereOf({ tenantId, userId }: ApiKeyOwner) {
  return { tenantId, ...(userId !== null && { userId }) }
}
