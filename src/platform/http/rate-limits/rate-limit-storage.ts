import { createHmac } from 'node:crypto'
import { Injectable } from '@nestjs/common'
import type { ThrottlerStorage } from '@nestjs/throttler'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import { PinoLogger } from 'nestjs-pino'
import { Counter } from 'prom-client'
import { Clock } from '#kernel/clock.js'
import { AppConfig } from '../../config/app-config.js'
import { DatabaseWindows } from './database-windows.service.js'
import { InProcessWindows } from './in-process-windows.js'
import { RedisWindows } from './redis-windows.js'
import { GUARDING_LIMITS } from './route-limit.js'
import type { Window } from './window.js'

const FALLBACKS = 'temponest_rate_limit_fallbacks_total'
const WARNING_INTERVAL_MS = 1000
const MS_PER_SECOND = 1000

type StorageRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>

/**
 * Counts requests in Redis, or in this process where there is none. While Redis is gone, the limits that guard against
 * guessing are counted in PostgreSQL, since replicas must not multiply them, and the others in this process. No request is
 * refused for want of a place to count it in.
 */
@Injectable()
export class RateLimitStorage implements ThrottlerStorage {
  private readonly inProcess = new InProcessWindows()
  private readonly hashKey: Buffer
  private quietUntilMs = 0

  constructor(
    config: AppConfig,
    private readonly redis: RedisWindows,
    private readonly database: DatabaseWindows,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
    @InjectMetric(FALLBACKS) private readonly fallbacks: Counter,
  ) {
    logger.setContext(RateLimitStorage.name)
    this.hashKey = config.deriveKey('rate-limits')
  }

  /**
   * Counts one request, above the limit too, in its window, which that never makes longer. Never rejects.
   * @param ttl length of the window in ms
   * @param _blockDuration a fixed window blocks until it ends
   * @param name of the limit
   */
  async increment(
    key: string,
    ttl: number,
    limit: number,
    _blockDuration: number,
    name: string,
  ): Promise<StorageRecord> {
    if (!this.redis.isInUse) return toRecord(this.hitInProcess(key, ttl), limit)
    return toRecord(await this.hitShared(key, ttl, GUARDING_LIMITS.has(name)), limit)
  }

  private async hitShared(key: string, windowMs: number, isGuarding: boolean): Promise<Window> {
    // Addresses are personal, and few enough to try them all: without the key their hashes tell nothing.
    const keyHash = createHmac('sha256', this.hashKey).update(key).digest()
    const counted = await this.tryHit(() => this.redis.hit(keyHash, windowMs))
    if (counted) return counted
    const fallback = isGuarding ? await this.tryHit(() => this.database.hit(keyHash, windowMs)) : undefined
    this.fallbacks.inc({ store: fallback ? 'postgresql' : 'in_process' })
    return fallback ?? this.hitInProcess(key, windowMs)
  }

  private hitInProcess(key: string, windowMs: number): Window {
    return this.inProcess.hit(key, windowMs, this.clock.now().getTime())
  }

  private async tryHit(hit: () => Promise<Window>): Promise<Window | undefined> {
    try {
      return await hit()
    } catch (error) {
      this.warn(error)
      return undefined
    }
  }

  /** Once in a while: every request would say the same. */
  private warn(error: unknown): void {
    if (performance.now() < this.quietUntilMs) return
    this.quietUntilMs = performance.now() + WARNING_INTERVAL_MS
    this.logger.warn({ err: error, event: 'rate_limits_degraded' }, 'rate_limits_degraded')
  }
}

function toRecord({ hits, remainingMs }: Window, limit: number): StorageRecord {
  const timeToExpire = Math.max(1, Math.ceil(remainingMs / MS_PER_SECOND))
  const isBlocked = hits > limit
  return { totalHits: hits, timeToExpire, isBlocked, timeToBlockExpire: isBlocked ? timeToExpire : 0 }
}

export const fallbacksMetricProvider = makeCounterProvider({
  name: FALLBACKS,
  help: 'Requests that were counted elsewhere because Redis was gone.',
  labelNames: ['store'],
})
