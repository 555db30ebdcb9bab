import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { Logger as NestLogger } from 'nestjs-pino'
import type { Logger } from 'pino'
import { HealthService } from '#modules/health'
import { ModelRegistry } from '#modules/models'
import type { AppConfig } from '#platform/config/app-config.js'
import { APP_VERSION } from '#platform/config/app-version.js'
import { type ProvisionedDatabase, provisionDatabase } from '#platform/database/provision.js'
import { configureApp } from '#platform/http/configure-app.js'
import { createHttpAdapter } from '#platform/http/http-adapter.js'
import { closeIdleConnectionsOnStop } from '#platform/http/idle-connections.js'
import { assertPortIsFree, listenError } from '#platform/http/port-check.js'
import { FrameworkLogger } from '#platform/logging/framework-logger.js'
import { createRootLogger } from '#platform/logging/root-logger.js'
import { startBanner } from '#platform/logging/start-banner.js'
import { AppModule } from './app.module.js'

/** A server that takes requests. */
export interface RunningServer {
  readonly url: string
  /** Answers what is in flight, hands runs over, stops the embedded database. */
  drain(): Promise<void>
}

/**
 * Brings the whole server up, or leaves nothing behind.
 * @throws ConfigError, DatabaseUnusableError in one line each
 */
export async function bootServer(config: AppConfig): Promise<RunningServer> {
  const { HOST: host, PORT: port } = config.settings
  await assertPortIsFree({ host, port })
  const logger = createRootLogger(config)
  const database = await provisionDatabase(config)
  const { unknownMigrations } = database
  if (unknownMigrations.length > 0) {
    logger.warn({ event: 'tenancy_check_skipped', unknownMigrations }, 'tenancy_check_skipped')
  }
  let app: NestFastifyApplication | undefined
  try {
    app = await createApp({ config, logger, databaseUrl: database.appUrl })
    await app.listen({ host, port }).catch((cause: unknown) => {
      throw listenError(cause, { host, port })
    })
    const url = config.settings.PUBLIC_URL ?? (await app.getUrl()).replace('[::1]', 'localhost')
    announce(config, { logger, database, url, model: app.get(ModelRegistry).defaultModel })
    return { url, drain: () => drain(config, { app, database, logger }) }
  } catch (error) {
    // Whatever closing says, the first error is the one to tell, and the database must not be left behind.
    await app?.close().catch(() => undefined)
    await database.close()
    throw error
  }
}

interface AppOptions {
  readonly config: AppConfig
  readonly logger: Logger
  readonly databaseUrl: string
}

/** The application on a database that is ready, not yet listening. */
export async function createApp(options: AppOptions): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(options),
    await createHttpAdapter(options.config),
    // Fastify's own JSON parser is the stricter one: it refuses __proto__.
    // Whoever called reports what keeps the app from starting; Nest would print it, too, with a stack trace.
    { bufferLogs: true, autoFlushLogs: false, bodyParser: false, abortOnError: false },
  )
  app.useLogger(new FrameworkLogger(app.get(NestLogger)))
  app.flushLogs()
  closeIdleConnectionsOnStop(app.getHttpAdapter().getInstance())
  await configureApp(app, { config: options.config, logger: options.logger, version: APP_VERSION })
  return app
}

function announce(
  config: AppConfig,
  { logger, database, url, model }: { logger: Logger; database: ProvisionedDatabase; url: string; model: string },
): void {
  const cache = config.settings.REDIS_URL ? `Redis at ${new URL(config.settings.REDIS_URL).host}` : 'in-process'
  const facts = { version: APP_VERSION, url, database: database.description, cache, model }
  logger.info({ event: 'server_started', ...facts }, 'server_started')
  if (!config.isProduction) process.stdout.write(startBanner(facts))
}

interface Serving {
  readonly app: NestFastifyApplication | undefined
  readonly database: ProvisionedDatabase
  readonly logger: Logger
}

async function drain({ settings }: AppConfig, { app, database, logger }: Serving): Promise<void> {
  const { SHUTDOWN_DELAY_MS: delayMs, SHUTDOWN_GRACE_MS: graceMs } = settings
  logger.info({ event: 'server_stopping', delayMs }, 'server_stopping')
  app?.get(HealthService).announceStop()
  await sleep(delayMs)
  const timer = setTimeout(() => {
    logger.warn({ event: 'shutdown_grace_exceeded', graceMs }, 'shutdown_grace_exceeded')
    void database.close().finally(() => process.exit(1))
  }, graceMs)
  try {
    await app?.close()
  } finally {
    await database.close()
    clearTimeout(timer)
  }
  logger.info({ event: 'server_stopped' }, 'server_stopped')
}
