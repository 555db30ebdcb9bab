import { type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import {
  InjectThrottlerOptions,
  InjectThrottlerStorage,
  ThrottlerGuard,
  type ThrottlerModuleOptions,
  type ThrottlerStorage,
} from '@nestjs/throttler'
import type { FastifyReply } from 'fastify'
import { AppError } from '#kernel/app-error.js'
import { RATE_LIMIT_METADATA } from '../endpoint.js'
import type { AuthenticatedRequest } from '../principal.js'
import type { Standing } from './limit.js'
import { rateLimitHeaders } from './rate-limit-headers.js'
import { RateLimitPolicy } from './rate-limit-policy.js'
import type { RouteLimit } from './route-limit.js'

const MS_PER_SECOND = 1000

/**
 * Counts each request against the limits that it falls under, and refuses it above one. Stands behind the guard that
 * resolves the principal, so that the right limit counts, and before the one that refuses, so that guessing counts, too.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  constructor(
    @InjectThrottlerOptions() options: ThrottlerModuleOptions,
    @InjectThrottlerStorage() storage: ThrottlerStorage,
    reflector: Reflector,
    private readonly policy: RateLimitPolicy,
  ) {
    super(options, storage, reflector)
  }

  /**
   * The package asks every limit that it knows whether it applies, with six look-ups of metadata each; the policy names
   * the one or two that do.
   * @throws AppError `rate_limited`
   */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const route = this.reflector.get<RouteLimit | 'none' | undefined>(RATE_LIMIT_METADATA, context.getHandler())
    if (route === 'none') return true
    const http = context.switchToHttp()
    const reply = http.getResponse<FastifyReply>()
    const standings: Standing[] = []
    for (const { limit, key } of this.policy.chargesFor(http.getRequest<AuthenticatedRequest>(), route)) {
      const { name, quota, windowMs } = limit
      const { totalHits, timeToExpire, isBlocked } = await this.storageService.increment(key, windowMs, quota, 0, name)
      const standing = { limit, remaining: Math.max(0, quota - totalHits), resetSeconds: timeToExpire }
      standings.push(standing)
      if (!isBlocked) continue
      void reply.headers(rateLimitHeaders(standings))
      throw tooManyRequests(standing)
    }
    void reply.headers(rateLimitHeaders(standings))
    return true
  }
}

function tooManyRequests({ limit, resetSeconds }: Standing): AppError {
  const { name, quota, windowMs } = limit
  return new AppError('rate_limited', 'rate_limited', {
    detail: `At most ${quota} requests in ${windowMs / MS_PER_SECOND} s (${name}). Try again in ${resetSeconds} s.`,
    retryAfterSeconds: resetSeconds,
  })
}
