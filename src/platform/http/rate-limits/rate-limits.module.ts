import { Global, Module } from '@nestjs/common'
import { ThrottlerModule } from '@nestjs/throttler'
import { DatabaseWindows } from './database-windows.service.js'
import { RateLimitPolicy } from './rate-limit-policy.js'
import { fallbacksMetricProvider, RateLimitStorage } from './rate-limit-storage.js'
import { RateLimitWindowsRepository } from './rate-limit-windows.repository.js'
import { RateLimitGuard } from './rate-limit.guard.js'
import { RedisWindows } from './redis-windows.js'

@Module({
  providers: [
    RateLimitPolicy,
    RateLimitStorage,
    RedisWindows,
    DatabaseWindows,
    RateLimitWindowsRepository,
    fallbacksMetricProvider,
  ],
  exports: [RateLimitPolicy, RateLimitStorage],
})
class RateLimitStorageModule {}

/** The guard to put between the one that resolves the principal and the one that refuses. */
@Global()
@Module({
  imports: [
    RateLimitStorageModule,
    ThrottlerModule.forRootAsync({
      imports: [RateLimitStorageModule],
      inject: [RateLimitPolicy, RateLimitStorage],
      useFactory: (policy: RateLimitPolicy, storage: RateLimitStorage) => ({
        throttlers: policy.limits.map(({ name, quota, windowMs }) => ({ name, limit: quota, ttl: windowMs })),
        storage,
      }),
    }),
  ],
  providers: [RateLimitGuard],
  exports: [RateLimitGuard, RateLimitStorageModule],
})
export class RateLimitsModule {}
