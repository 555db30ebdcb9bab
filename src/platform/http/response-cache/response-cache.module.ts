import { Global, Module } from '@nestjs/common'
import { responseCacheMetricsProvider } from './response-cache.metrics.js'
import { ResponseCache } from './response-cache.service.js'

/** Global, since `@CacheAnswer` puts the interceptor before routes of every module. */
@Global()
@Module({
  providers: [ResponseCache, responseCacheMetricsProvider],
  exports: [ResponseCache, responseCacheMetricsProvider],
})
export class ResponseCacheModule {}
