import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import type { Tx } from '#platform/database/tx.js'
import { McpServerEntity, type McpServerRecord } from './mcp-server.entity.js'

interface ServerKey {
  readonly tenantId: string
  readonly id: string
}

@Injectable()
export class McpServersRepository {
  async add(server: McpServerRecord, tx: Tx): Promise<void> {
    await tx.entities.insert(McpServerEntity, server)
  }

  /** Counts a tenant's servers; until `tx` ends nobody else counts or adds. */
  async countForAdding(tenantId: string, tx: Tx): Promise<number> {
    await tx.execute({ text: 'SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', values: [tenantId] })
    return tx.entities.countBy(McpServerEntity, { tenantId })
  }

  async find({ tenantId, id }: ServerKey, tx: Tx): Promise<McpServerRecord | null> {
    return isUuid(id) ? tx.entities.findOneBy(McpServerEntity, { tenantId, id }) : null
  }

  /** The same; until `tx` ends nobody else changes it. */
  async findForChange(key: ServerKey, tx: Tx): Promise<McpServerRecord | null> {
    if (!isUuid(key.id)) return null
    await tx.execute({
      text: 'SELECT 1 FROM mcp_servers WHERE tenant_id = $1 AND id = $2 FOR UPDATE',
      values: [key.tenantId, key.id],
    })
    return this.find(key, tx)
  }

  findByName({ tenantId, name }: { tenantId: string; name: string }, tx: Tx): Promise<McpServerRecord | null> {
    return tx.entities.findOneBy(McpServerEntity, { tenantId, name })
  }

  /** Newest first; up to `limit`, after the server `after`. */
  list(
    tenantId: string,
    { after, limit }: { after: string | undefined; limit: number },
    tx: Tx,
  ): Promise<McpServerRecord[]> {
    const query = tx.entities
      .createQueryBuilder(McpServerEntity, 's')
      .where({ tenantId })
      .orderBy('s.id', 'DESC')
      .take(limit)
    if (after !== undefined) query.andWhere('s.id < :after', { after })
    return query.getMany()
  }

  async update({ tenantId, id, url, sealedHeaders, updatedAt }: McpServerRecord, tx: Tx): Promise<void> {
    await tx.entities.update(McpServerEntity, { tenantId, id }, { url, sealedHeaders, updatedAt })
  }

  async delete({ tenantId, id }: ServerKey, tx: Tx): Promise<void> {
    await tx.entities.delete(McpServerEntity, { tenantId, id })
  }
}
