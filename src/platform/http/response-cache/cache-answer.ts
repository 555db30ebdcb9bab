import { applyDecorators, SetMetadata, UseInterceptors } from '@nestjs/common'
import { ResponseCacheInterceptor } from './response-cache.interceptor.js'
import { CACHE_RULE_METADATA, type CacheRule } from './cache-rule.js'

/**
 * Keeps the 200 answers of a GET route, on all replicas, until one of its tags is invalidated or its kind's time is over.
 * Whoever writes what the answer shows calls `ResponseCache.invalidate` with the tag after his commit.
 */
export function CacheAnswer(rule: CacheRule): MethodDecorator {
  return applyDecorators(SetMetadata(CACHE_RULE_METADATA, rule), UseInterceptors(ResponseCacheInterceptor))
}
