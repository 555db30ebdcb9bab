import { Injectable, type OnModuleDestroy, ServiceUnavailableException } from '@nestjs/common'
import {
  type HealthCheckResult,
  HealthCheckService,
  type HealthIndicatorFunction,
  type HealthIndicatorResult,
  HealthIndicatorService,
} from '@nestjs/terminus'
import { AppError } from '#kernel/app-error.js'
import { newId } from '#kernel/ids.js'
import { ModelRegistry } from '#modules/models'
import { Cache } from '#platform/cache/cache.js'
import { RedisConnection } from '#platform/cache/redis-connection.js'
import { Database } from '#platform/database/database.js'
import type { Health } from './health.schemas.js'

const CACHE_TTL_MS = 10_000

/** Whether the app lives, can serve, and what it stands on. */
@Injectable()
export class HealthService implements OnModuleDestroy {
  /** What this replica reaches is no other's business, although they share a cache. */
  private readonly replicaId = newId()
  private isStopping = false

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly database: Database,
    private readonly redis: RedisConnection,
    private readonly cache: Cache,
    private readonly models: ModelRegistry,
  ) {}

  /** The first step of a shutdown: send traffic elsewhere, while requests are still answered. */
  announceStop(): void {
    this.isStopping = true
  }

  onModuleDestroy(): void {
    this.announceStop()
  }

  /** Never cached: a probe must see a loss within its period. @throws AppError `unavailable` */
  async assertReady(): Promise<void> {
    if (this.isStopping) throw unavailable('The server is stopping.')
    await this.database.probe()
  }

  /** @throws AppError `unavailable` when the database is down; a cache that is down only degrades */
  async describe(version: string): Promise<Health> {
    const details = await this.checkAll([
      () => this.check('database', () => this.database.probe()),
      () => this.check('cache', () => this.redis.ping(), { tier: this.redis.client ? 'redis' : 'in-process' }),
      () => this.indicators.check('model').up({ default: this.models.defaultModel }),
    ])
    if (details['database']?.status === 'down') throw unavailable('The database is not available.')
    const isWhole = Object.values(details).every(({ status }) => status === 'up')
    const uptimeSeconds = Math.floor(process.uptime())
    return { status: isWhole ? 'ok' : 'degraded', version, uptimeSeconds, checks: details as Health['checks'] }
  }

  /** Terminus throws when anything is down; what that means depends on what it is. */
  private async checkAll(checks: HealthIndicatorFunction[]): Promise<HealthIndicatorResult> {
    try {
      return (await this.health.check(checks)).details
    } catch (error) {
      if (!(error instanceof ServiceUnavailableException)) throw error
      return (error.getResponse() as HealthCheckResult).details
    }
  }

  /** Asked at most every ten seconds, however often the endpoint is called. A result, never a rejection. */
  private async check(name: string, probe: () => Promise<unknown>, facts = {}): Promise<HealthIndicatorResult> {
    const isUp = await this.cache.getOrLoad(`health:${name}:${this.replicaId}`, CACHE_TTL_MS, () =>
      probe().then(
        () => 'up',
        () => 'down',
      ),
    )
    return { [name]: { status: isUp === 'up' ? 'up' : 'down', ...facts } }
  }
}

function unavailable(detail: string): AppError {
  return new AppError('unavailable', 'unavailable', { detail, retryAfterSeconds: 2 })
}
