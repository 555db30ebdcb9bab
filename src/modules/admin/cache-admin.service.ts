import { Injectable } from '@nestjs/common'
import { Clock } from '#kernel/clock.js'
import { KeptAnswers } from '#modules/models'
import { Epochs } from '#platform/cache/epochs.js'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { ResponseCache } from '#platform/http/response-cache/response-cache.service.js'
import type { CacheScope, ClearedCache } from './cache-admin.schemas.js'
import { CacheCleared } from './cache.events.js'

/** Empties a tenant's caches by hand. They are exact by themselves: this is for when somebody doubts it. */
@Injectable()
export class CacheAdminService {
  constructor(
    private readonly database: Database,
    private readonly events: EventBus,
    private readonly responses: ResponseCache,
    private readonly epochs: Epochs,
    private readonly answers: KeptAnswers,
    private readonly clock: Clock,
  ) {}

  /**
   * On every replica, by the time it resolves. Recorded first: a clearing that nobody could trace would be worse than none.
   * Its answer is kept for an `Idempotency-Key` when all is done, not with the record: cleared twice is better than never.
   */
  async clear({ tenantId }: Principal, scope: CacheScope): Promise<ClearedCache> {
    await this.database.transaction({ tenantId }, (tx) => this.events.emit(new CacheCleared(tenantId, scope), tx))
    const includes = (cache: CacheScope): boolean => scope === 'all' || scope === cache
    await Promise.all([
      includes('responses') ? this.responses.clear(tenantId) : undefined,
      includes('permissions') ? this.epochs.advance([`tenant:${tenantId}`]) : undefined,
      includes('answers') ? this.answers.clear(tenantId) : undefined,
    ])
    return { scope, clearedAt: this.clock.now().toISOString() }
  }
}
