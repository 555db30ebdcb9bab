import { CACHE_MANAGER, type Cache as CacheManager } from '@nestjs/cache-manager'
import { Inject, Injectable } from '@nestjs/common'

/** The two-tier cache. A cache that fails is a miss, never an error: every caller can make the value itself. */
@Injectable()
export class Cache {
  constructor(@Inject(CACHE_MANAGER) private readonly manager: CacheManager) {}

  /** The cached value, else what `load` gives, which is then kept for `ttlMs`. A rejection of `load` is not cached. */
  async getOrLoad<T>(key: string, ttlMs: number, load: () => Promise<T>): Promise<T> {
    const cached = await this.manager.get<T>(key).catch(() => undefined)
    if (cached !== undefined && cached !== null) return cached
    const value = await load()
    await this.manager.set(key, value, ttlMs).catch(() => undefined)
    return value
  }
}
