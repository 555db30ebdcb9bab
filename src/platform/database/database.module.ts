import { type DynamicModule, Module } from '@nestjs/common'
import { Database, DATABASE_APP_URL } from './database.js'
import { databaseMetricsProviders } from './monitor/database-metrics.js'
import { DatabaseMonitor } from './monitor/database-monitor.js'
import { NPlusOneDetector } from './monitor/n-plus-one-detector.js'
import { PoolGauges } from './monitor/pool-gauges.js'
import { SlowQueryLog } from './monitor/slow-query-log.js'
import { Notifications } from './notifications.js'

@Module({})
export class DatabaseModule {
  /** @param appUrl connection string of the role that serves requests. */
  static forRoot(appUrl: string): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        { provide: DATABASE_APP_URL, useValue: appUrl },
        Database,
        Notifications,
        DatabaseMonitor,
        SlowQueryLog,
        NPlusOneDetector,
        PoolGauges,
        ...databaseMetricsProviders,
      ],
      exports: [Database, DATABASE_APP_URL, Notifications],
    }
  }
}
