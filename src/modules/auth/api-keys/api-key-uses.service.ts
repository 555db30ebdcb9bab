import { CacheableMemory } from '@cacheable/memory'
import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import { Database } from '#platform/database/database.js'
import { ApiKeysRepository } from './api-keys.repository.js'

const NOTE_EVERY_MS = 60_000
const MAX_KNOWN_KEYS = 10_000
/** Above it a use is not written down, and the next request of that key tries again: background work needs the pool, too. */
const MAX_WRITES_AT_ONCE = 2

/** Writes down that a key was used, at most once a minute. No request waits for it, and none fails with it. */
@Injectable()
export class ApiKeyUses {
  private readonly noted = new CacheableMemory({
    ttl: NOTE_EVERY_MS,
    lruSize: MAX_KNOWN_KEYS,
    useClone: false,
    checkInterval: 0,
  })
  private writing = 0

  constructor(
    private readonly database: Database,
    private readonly keys: ApiKeysRepository,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(ApiKeyUses.name)
  }

  note(tenantId: string, id: string): void {
    if (this.writing >= MAX_WRITES_AT_ONCE || this.noted.has(id)) return
    this.noted.set(id, true)
    this.writing += 1
    void this.write(tenantId, id).finally(() => {
      this.writing -= 1
    })
  }

  private async write(tenantId: string, id: string): Promise<void> {
    const usedAt = this.clock.now()
    const use = { tenantId, id, usedAt, unlessAfter: new Date(usedAt.getTime() - NOTE_EVERY_MS) }
    try {
      await this.database.workers.transaction({ tenantId }, (tx) => this.keys.touch(use, tx))
    } catch (error) {
      this.logger.warn({ err: error, event: 'api_key_use_not_noted' }, 'api_key_use_not_noted')
    }
  }
}
