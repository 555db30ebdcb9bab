import { makeCounterProvider } from '@willsoto/nestjs-prometheus'

export const RESPONSE_CACHE_REQUESTS = 'temponest_response_cache_requests_total'

/** `bypass`: the client asked for no cache, or Redis could not be asked. */
export const responseCacheMetricsProvider = makeCounterProvider({
  name: RESPONSE_CACHE_REQUESTS,
  help: 'Requests to routes whose answers are cached, by kind of answer and whether it came from the cache.',
  labelNames: ['kind', 'result'],
})
