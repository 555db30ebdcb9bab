import { type DynamicModule, Module } from '@nestjs/common'
import type { Logger } from 'pino'
import { Clock, SystemClock } from '#kernel/clock.js'
import { CacheModule } from './cache/cache.module.js'
import { AppConfig } from './config/app-config.js'
import { DatabaseModule } from './database/database.module.js'
import { EventBus } from './events/event-bus.js'
import { IdempotencyModule } from './http/idempotency/idempotency.module.js'
import { ResponseCacheModule } from './http/response-cache/response-cache.module.js'
import { RateLimitsModule } from './http/rate-limits/rate-limits.module.js'
import { JobsModule } from './jobs/jobs.module.js'
import { SchemaMatcher } from './json-schema/schema-matcher.js'
import { LoggingModule } from './logging/logging.module.js'
import { MailModule } from './mail/mail.module.js'
import { OutboundModule } from './outbound/outbound.module.js'
import { Sealer } from './secrets/sealer.js'
import { httpMetricsProviders } from './telemetry/http-metrics.js'

export interface PlatformOptions {
  readonly config: AppConfig
  readonly logger: Logger
  /** Connection string of the role that serves requests. */
  readonly databaseUrl: string
  readonly clock?: Clock
}

/** What every module stands on. */
@Module({})
export class PlatformModule {
  static forRoot({ config, logger, databaseUrl, clock = new SystemClock() }: PlatformOptions): DynamicModule {
    const providers = [
      { provide: AppConfig, useValue: config },
      { provide: Clock, useValue: clock },
      EventBus,
      Sealer,
      SchemaMatcher,
      ...httpMetricsProviders,
    ]
    return {
      module: PlatformModule,
      global: true,
      imports: [
        LoggingModule.forRoot(logger),
        DatabaseModule.forRoot(databaseUrl),
        JobsModule,
        CacheModule,
        MailModule,
        OutboundModule,
        IdempotencyModule,
        ResponseCacheModule,
        RateLimitsModule,
      ],
      providers,
      exports: [...providers, LoggingModule],
    }
  }
}
