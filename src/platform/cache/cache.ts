import { setTimeout as sleep } from 'node:timers/promises'
import { CACHE_MANAGER, type Cache as CacheManager } from '@nestjs/cache-manager'
import { Inject, Injectable } from '@nestjs/common'

/** A tier that is silent for longer is a miss. Redis' own client lets a command that is on the wire wait for ever. */
const ANSWER_TIMEOUT_MS = 500

/** The two-tier cache. A cache that fails is a miss, never an error: every caller can make the value itself. */
@Injectable()
export class Cache {
  constructor(@Inject(CACHE_MANAGER) private readonly manager: CacheManager) {}

  /** The cached value, else what `load` gives, which is then kept for `ttlMs`. A rejection of `load` is not cached. */
  async getOrLoad<T>(key: string, ttlMs: number, load: () => Promise<T>): Promise<T> {
    const cached = await this.find<T>(key)
    if (cached !== undefined) return cached
    const value = await load()
    await this.keep(key, value, ttlMs)
    return value
  }

  async find<T>(key: string): Promise<T | undefined> {
    return (await inTime(this.manager.get<T>(key))) ?? undefined
  }

  async keep(key: string, value: unknown, ttlMs: number): Promise<void> {
    await inTime(this.manager.set(key, value, ttlMs))
  }
}

function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  return Promise.race([answer.catch(() => undefined), sleep(ANSWER_TIMEOUT_MS, undefined, { ref: false })])
}
