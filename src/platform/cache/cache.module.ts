import { KeyvCacheableMemory } from '@cacheable/memory'
import { CacheModule as NestCacheModule } from '@nestjs/cache-manager'
import { Global, Module } from '@nestjs/common'
import { KeyvAdapter } from 'cache-manager'
import { redisInsStore } from 'cache-manager-redis-yet'
import { Keyv } from 'keyv'
import { Cache } from './cache.js'
import { RedisConnection } from './redis-connection.js'

const MAX_ENTRIES_IN_PROCESS = 10_000

/** The Redis client that the store's types know is an older major of the same protocol. */
type StoreClient = Parameters<typeof redisInsStore>[0]

@Global()
@Module({ providers: [RedisConnection], exports: [RedisConnection] })
class RedisModule {}

/** In-process LRU first, then Redis where there is one. */
@Global()
@Module({
  imports: [
    RedisModule,
    NestCacheModule.registerAsync({
      inject: [RedisConnection],
      useFactory: ({ client }: RedisConnection) => ({
        stores: [
          new Keyv({ store: new KeyvCacheableMemory({ lruSize: MAX_ENTRIES_IN_PROCESS }) }),
          ...(client
            ? [
                new Keyv({
                  store: new KeyvAdapter(redisInsStore(client as unknown as StoreClient)),
                  namespace: 'temponest',
                }),
              ]
            : []),
        ],
      }),
    }),
  ],
  providers: [Cache],
  exports: [Cache],
})
export class CacheModule {}
