import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { createClient, type RedisClientType } from 'redis'
import { AppConfig } from '../config/app-config.js'

const CONNECT_TIMEOUT_MS = 2000
const COMMAND_TIMEOUT_MS = 1000
const RECONNECT_MAX_MS = 2000

/** The app's one Redis client; none without `REDIS_URL`. It keeps trying to reconnect and never holds a caller up. */
@Injectable()
export class RedisConnection implements OnApplicationShutdown {
  readonly client: RedisClientType | undefined

  constructor(config: AppConfig, logger: PinoLogger) {
    logger.setContext(RedisConnection.name)
    const url = config.settings.REDIS_URL
    if (!url) return
    this.client = createClient({
      url,
      // A command while disconnected fails at once; a queue of them would be answered long after anyone cares.
      disableOfflineQueue: true,
      commandOptions: { timeout: COMMAND_TIMEOUT_MS },
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries: number) => Math.min(2 ** retries * 50, RECONNECT_MAX_MS),
      },
    })
    this.client.on('error', (error) => logger.warn({ err: error, event: 'redis_error' }, 'redis_error'))
    void this.client.connect().catch(() => undefined)
  }

  async onApplicationShutdown(): Promise<void> {
    this.client?.destroy()
  }
}
