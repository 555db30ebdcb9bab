import { type DynamicModule, Module } from '@nestjs/common'
import { Database, DATABASE_APP_URL } from './database.js'
import { Notifications } from './notifications.js'

@Module({})
export class DatabaseModule {
  /** @param appUrl connection string of the role that serves requests. */
  static forRoot(appUrl: string): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [{ provide: DATABASE_APP_URL, useValue: appUrl }, Database, Notifications],
      exports: [Database, DATABASE_APP_URL, Notifications],
    }
  }
}
