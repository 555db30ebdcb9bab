import { setTimeout as sleep } from 'node:timers/promises'
import type { OnApplicationShutdown } from '@nestjs/common'
import type { PinoLogger } from 'nestjs-pino'
import type { RedisClientType } from 'redis'
import type { AppConfig } from '../config/app-config.js'

const CONNECT_TIMEOUT_MS = 2000
const COMMAND_TIMEOUT_MS = 1000
const RECONNECT_MAX_MS = 2000

/** The app's one Redis client; none without `REDIS_URL`. It keeps trying to reconnect and never holds a caller up. */
export class RedisConnection implements OnApplicationShutdown {
  private constructor(readonly client: RedisClientType | undefined) {}

  /** Begins to connect, and does not wait for it. The client's code is loaded only where it is used: it is large. */
  static async create({ settings }: AppConfig, logger: PinoLogger): Promise<RedisConnection> {
    const url = settings.REDIS_URL
    if (!url) return new RedisConnection(undefined)
    logger.setContext(RedisConnection.name)
    const { createClient } = await import('redis')
    const client: RedisClientType = createClient({
      url,
      // A command while disconnected fails at once; a queue of them would be answered long after anyone cares.
      disableOfflineQueue: true,
      commandOptions: { timeout: COMMAND_TIMEOUT_MS },
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries: number) => Math.min(2 ** retries * 50, RECONNECT_MAX_MS),
      },
    })
    client.on('error', (error) => logger.warn({ err: error, event: 'redis_error' }, 'redis_error'))
    void client.connect().catch(() => undefined)
    return new RedisConnection(client)
  }

  /** Resolves when Redis answers, or when there is none to ask. @throws Error when it does not within a second */
  async ping(): Promise<void> {
    const silence = sleep(COMMAND_TIMEOUT_MS, undefined, { ref: false }).then(() => {
      throw new Error(`Redis did not answer within ${COMMAND_TIMEOUT_MS} ms`)
    })
    await Promise.race([this.client?.ping(), silence])
  }

  async onApplicationShutdown(): Promise<void> {
    this.client?.destroy()
  }
}
