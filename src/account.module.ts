import { type DynamicModule, Module } from '@nestjs/common'
import { pino } from 'pino'
import { Clock, SystemClock } from '#kernel/clock.js'
import { AuditModule } from '#modules/audit'
import { OperatorModule } from '#modules/auth'
import { AppConfig } from '#platform/config/app-config.js'
import { DatabaseModule } from '#platform/database/database.module.js'
import { EventBus } from '#platform/events/event-bus.js'
import { LoggingModule } from '#platform/logging/logging.module.js'

/** What the operator's command stands on: the database and the audit log, without routes, jobs or Redis. */
@Module({})
export class AccountModule {
  static forRoot({ config, databaseUrl }: { config: AppConfig; databaseUrl: string }): DynamicModule {
    const providers = [{ provide: AppConfig, useValue: config }, { provide: Clock, useClass: SystemClock }, EventBus]
    return {
      module: AccountModule,
      global: true,
      imports: [
        // Standard output is for the link alone; what fails is thrown.
        LoggingModule.forRoot(pino({ level: 'silent' })),
        DatabaseModule.forRoot(databaseUrl),
        AuditModule,
        OperatorModule,
      ],
      providers,
      exports: providers,
    }
  }
}
