import { KeyvCacheableMemory } from '@cacheable/memory'
import { CacheModule as NestCacheModule } from '@nestjs/cache-manager'
import { Global, Module } from '@nestjs/common'
import { KeyvAdapter } from 'cache-manager'
import type { redisInsStore } from 'cache-manager-redis-yet'
import { Keyv } from 'keyv'
import { PinoLogger } from 'nestjs-pino'
import type { RedisClientType } from 'redis'
import { AppConfig } from '../config/app-config.js'
import { Cache } from './cache.js'
import { Epochs } from './epochs.js'
import { RedisConnection } from './redis-connection.js'

const MAX_ENTRIES_IN_PROCESS = 2000
const NAMESPACE = 'temponest'

/** The Redis client that the store's types know is an older major of the same protocol. */
type StoreClient = Parameters<typeof redisInsStore>[0]

const connectRedis = (config: AppConfig, logger: PinoLogger): Promise<RedisConnection> =>
  RedisConnection.create(config, logger)

@Global()
@Module({
  providers: [{ provide: RedisConnection, inject: [AppConfig, PinoLogger], useFactory: connectRedis }],
  exports: [RedisConnection],
})
class RedisModule {}

/** In-process LRU first, then Redis where there is one. */
@Global()
@Module({
  imports: [
    RedisModule,
    NestCacheModule.registerAsync({
      inject: [RedisConnection],
      useFactory: async ({ client }: RedisConnection) => ({
        stores: [
          new Keyv({ store: new KeyvCacheableMemory({ lruSize: MAX_ENTRIES_IN_PROCESS }) }),
          ...(client ? [await redisTier(client)] : []),
        ],
      }),
    }),
  ],
  providers: [Cache, Epochs],
  exports: [Cache, Epochs],
})
export class CacheModule {}

/** The store's code is loaded only where it is used: it brings a second Redis client along. */
async function redisTier(client: RedisClientType): Promise<Keyv> {
  const { redisInsStore } = await import('cache-manager-redis-yet')
  return new Keyv({ store: new KeyvAdapter(redisInsStore(client as unknown as StoreClient)), namespace: NAMESPACE })
}
