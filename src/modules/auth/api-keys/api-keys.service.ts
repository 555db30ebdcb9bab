import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { apiKeyEpoch } from '../access/epoch-names.js'
import type { ApiKeyRecord } from './api-key.entity.js'
import { ApiKeyDeleted } from './api-key.events.js'
import { ApiKeySpending } from './api-key-spending.js'
import { toApiKey } from './api-key-view.js'
import { type ApiKeyOwner, ApiKeysRepository } from './api-keys.repository.js'
import type { ApiKey, ApiKeyDetails, ApiKeyListQuery } from './api-keys.schemas.js'

/** Shows and deletes API keys: everybody his own, owners and admins those of the tenant. */
@Injectable()
export class ApiKeys {
  constructor(
    private readonly database: Database,
    private readonly keys: ApiKeysRepository,
    private readonly spending: ApiKeySpending,
    private readonly events: EventBus,
    private readonly epochs: Epochs,
  ) {}

  /** Newest first, expired ones too. */
  async list(principal: Principal, { limit, cursor }: ApiKeyListQuery): Promise<Page<ApiKey>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const { tenantId } = principal
    const rows = await this.database.transaction({ tenantId }, (tx) =>
      this.keys.list(reachOf(principal), { after, limit: limit + 1 }, tx),
    )
    return toPage(rows.map(toApiKey), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found`, the same for a key out of reach as for one that never was */
  async get(principal: Principal, id: string): Promise<ApiKeyDetails> {
    const { tenantId } = principal
    return this.database.transaction({ tenantId }, async (tx) => {
      const key = await this.getWithin(reachOf(principal), id, tx)
      const spent = await this.spending.total(key, tx)
      return { ...toApiKey(key), spentUsd: spent.toString() }
    })
  }

  /**
   * Ends a key and those that were made with it: the next request with one of them is refused, on every replica.
   * @throws AppError `not_found`
   */
  async delete(principal: Principal, id: string): Promise<void> {
    const { tenantId } = principal
    const ended = await this.database.transaction({ tenantId }, async (tx) => {
      const key = await this.getWithin(reachOf(principal), id, tx)
      const family = await this.keys.listWithOffspring(key, tx)
      if (!(await this.keys.delete(key, tx))) throw noSuchKey()
      for (const member of family) await this.events.emit(new ApiKeyDeleted(member), tx)
      return family
    })
    await this.epochs.advance(ended.map((key) => apiKeyEpoch(key.id)))
  }

  private async getWithin(owner: ApiKeyOwner, id: string, tx: Tx): Promise<ApiKeyRecord> {
    const key = isUuid(id) ? await this.keys.find(id, owner, tx) : null
    if (!key) throw noSuchKey()
    return key
  }
}

/** Owners and admins answer for the tenant, so they see and end what anybody in it has made. */
function reachOf({ tenantId, userId, role }: Principal): ApiKeyOwner {
  return { tenantId, userId: role === 'owner' || role === 'admin' ? null : userId }
}

function noSuchKey(): AppError {
  return new AppError('not_found', 'not_found', { detail: 'There is no such API key.' })
}
