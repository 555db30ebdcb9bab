import { type DynamicModule, Module } from '@nestjs/common'
import { LoggerModule } from 'nestjs-pino'
import type { Logger } from 'pino'

@Module({})
export class LoggingModule {
  static forRoot(logger: Logger): DynamicModule {
    return {
      module: LoggingModule,
      imports: [
        // Requests are logged by platform/http, where Fastify knows the route; no middleware is needed for that.
        LoggerModule.forRoot({ pinoHttp: { logger, autoLogging: false }, forRoutes: [] }),
      ],
      exports: [LoggerModule],
    }
  }
}
