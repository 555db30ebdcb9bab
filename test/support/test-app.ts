import 'reflect-metadata'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { AppConfig } from '#platform/config/app-config.js'
import { provisionDatabase } from '#platform/database/provision.js'
import { createRootLogger } from '#platform/logging/root-logger.js'
import { createApp } from '../../src/server.js'
import { createTestDatabase, type TestDatabase, withClient } from './test-database.js'
import { UNLIMITED } from './limit-settings.js'
import { TestLog } from './test-log.js'

export const TEST_JWT_SECRET = 'a secret for tests that has more than 32 characters'

/** Weak, so that tests do not spend their time on hashing; the strength is a setting, not code. */
const TEST_ENVIRONMENT = {
  ...UNLIMITED,
  NODE_ENV: 'test',
  LOG_LEVEL: 'warn',
  JWT_SECRET: TEST_JWT_SECRET,
  ARGON2_MEMORY_KIB: '8192',
  ARGON2_TIME_COST: '1',
  SHUTDOWN_GRACE_MS: '5000',
  // The tests share two cores among themselves: a server that stands still for a while is no overload, and its database is there.
  MAX_EVENT_LOOP_DELAY_MS: '0',
  DATABASE_CONNECT_TIMEOUT_MS: '20000',
}

/** One for all apps of a process: nestjs-pino has one logger, that of the first. */
const LOG = new TestLog()

export interface TestAppOptions {
  /** Settings on top of the tests' own. */
  readonly env?: Record<string, string>
  /** To start a second replica on the database of a first. */
  readonly database?: TestDatabase
  /** Adds routes of the test's own, for what no route of ours answers. */
  readonly routes?: (fastify: FastifyInstance) => void
}

/** The whole application on a real PostgreSQL. Requests go in by `inject`, or by the network after `listen`. */
export class TestApp implements AsyncDisposable {
  private constructor(
    readonly nest: NestFastifyApplication,
    readonly database: TestDatabase,
    private readonly ownsDatabase: boolean,
  ) {}

  /** What the apps of this file have logged from WARN on. */
  get log(): TestLog {
    return LOG
  }

  static async start({ env = {}, database, routes }: TestAppOptions = {}): Promise<TestApp> {
    const own = database ?? (await createTestDatabase())
    const config = AppConfig.parse({ ...TEST_ENVIRONMENT, DATABASE_URL: own.url, ...env })
    const { appUrl } = await provisionDatabase(config)
    const nest = await createApp({ config, logger: createRootLogger(config, LOG), databaseUrl: appUrl })
    await nest.init()
    routes?.(nest.getHttpAdapter().getInstance())
    await nest.getHttpAdapter().getInstance().ready()
    return new TestApp(nest, own, database === undefined)
  }

  inject(options: InjectOptions): Promise<LightMyRequestResponse> {
    return this.nest.inject(options)
  }

  /** Asks the database as its superuser, past row-level security. */
  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return withClient(this.database.url, async (client) => (await client.query(text, values)).rows)
  }

  /** Listens on a free port. @returns the base URL */
  async listen(): Promise<string> {
    await this.nest.listen({ host: '127.0.0.1', port: 0 })
    return this.nest.getUrl()
  }

  /** Fails when a request asked row by row for what one statement could have asked for. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.nest.close()
    if (this.ownsDatabase) await this.database[Symbol.asyncDispose]()
    const found = this.log.take('n_plus_one').map(({ route, statement }) => `${String(route)}: ${String(statement)}`)
    if (found.length > 0) throw new Error(`asked more than ten times in one request: ${found.join('; ')}`)
  }
}
