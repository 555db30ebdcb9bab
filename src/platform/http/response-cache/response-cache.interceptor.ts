import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { InjectMetric } from '@willsoto/nestjs-prometheus'
import type { FastifyReply } from 'fastify'
import type { Counter } from 'prom-client'
import { from, lastValueFrom, type Observable } from 'rxjs'
import type { AuthenticatedRequest } from '../principal.js'
import { CACHE_RULE_METADATA, type CacheRule } from './cache-rule.js'
import { type CachedAnswer, ResponseCache } from './response-cache.service.js'
import { RESPONSE_CACHE_REQUESTS } from './response-cache.metrics.js'

const OK = 200
const JSON_CONTENT_TYPE = 'application/json; charset=utf-8'
const NO_STORE = /\bno-store\b/i

type Result = 'hit' | 'miss' | 'bypass'

/** Answers from the response cache, and says so in `X-Cache`. The guards have been passed by then. */
@Injectable()
export class ResponseCacheInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly cache: ResponseCache,
    @InjectMetric(RESPONSE_CACHE_REQUESTS) private readonly requests: Counter,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const rule = this.reflector.get<CacheRule>(CACHE_RULE_METADATA, context.getHandler())
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>()
    return from(this.answer(rule, request, { reply: context.switchToHttp().getResponse<FastifyReply>(), next }))
  }

  private async answer(
    rule: CacheRule,
    request: AuthenticatedRequest,
    { reply, next }: { reply: FastifyReply; next: CallHandler },
  ): Promise<unknown> {
    const handle = (): Promise<unknown> => lastValueFrom(next.handle(), { defaultValue: undefined })
    const key = await this.findKey(rule, request)
    if (key === undefined) return this.tell(rule, reply, 'bypass', await handle())
    let own: { result: unknown } | undefined
    const answer = await this.cache.get(key, rule, async () => {
      own = { result: await handle() }
      return toCachedAnswer(reply, own.result)
    })
    if (own) return this.tell(rule, reply, 'miss', answer ? send(reply, answer) : own.result)
    if (answer) return this.tell(rule, reply, 'hit', send(reply, answer))
    // Whom this request waited for was answered with nothing that could be shared.
    return this.tell(rule, reply, 'miss', await handle())
  }

  private async findKey(rule: CacheRule, request: AuthenticatedRequest): Promise<string | undefined> {
    const { method, principal, params, query, headers, routeOptions } = request
    if (method !== 'GET' || !principal || NO_STORE.test(headers['cache-control'] ?? '')) return undefined
    return this.cache.findKey({ route: routeOptions.url ?? '', params, query }, principal, rule)
  }

  private tell(rule: CacheRule, reply: FastifyReply, result: Result, body: unknown): unknown {
    this.requests.inc({ kind: rule.kind, result })
    void reply.header('X-Cache', result === 'hit' ? 'HIT' : 'MISS')
    return body
  }
}

/** Undefined for what another request must not be answered with. */
function toCachedAnswer(reply: FastifyReply, result: unknown): CachedAnswer | undefined {
  if (reply.statusCode !== OK || reply.sent || result === undefined) return undefined
  if (NO_STORE.test(String(reply.getHeader('cache-control') ?? ''))) return undefined
  const link = reply.getHeader('link')
  return { body: JSON.stringify(result), link: typeof link === 'string' ? link : null }
}

/** As text in either case, so that a hit and a miss are the same bytes. */
function send(reply: FastifyReply, { body, link }: CachedAnswer): string {
  void reply.header('Content-Type', JSON_CONTENT_TYPE)
  if (link !== null) void reply.header('Link', link)
  return body
}
