import { Injectable } from '@nestjs/common'
import { InjectMetric, makeCounterProvider } from '@willsoto/nestjs-prometheus'
import type { Counter } from 'prom-client'

const NAME = 'temponest_auth_cache_requests_total'

/** How often the caches of the guard had the answer: `jwt` for signatures, `user_perms` for principals. */
@Injectable()
export class AuthCacheMetrics {
  private readonly series: Record<string, Counter.Internal>

  constructor(@InjectMetric(NAME) counter: Counter) {
    const labels = ['jwt', 'user_perms'].flatMap((cache) => ['hit', 'miss'].map((result) => ({ cache, result })))
    this.series = Object.fromEntries(
      labels.map(({ cache, result }) => [`${cache} ${result}`, counter.labels({ cache, result })]),
    )
  }

  count(cache: 'jwt' | 'user_perms', result: 'hit' | 'miss'): void {
    this.series[`${cache} ${result}`]?.inc()
  }
}

export const authCacheMetricsProviders = [
  AuthCacheMetrics,
  makeCounterProvider({
    name: NAME,
    help: 'Lookups in the caches of the access guard.',
    labelNames: ['cache', 'result'],
  }),
]
