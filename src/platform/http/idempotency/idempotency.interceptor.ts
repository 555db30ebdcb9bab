import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { from, lastValueFrom, type Observable, of } from 'rxjs'
import type { AuthenticatedRequest, Principal } from '../principal.js'
import { type Claim, currentClaim } from './claim.js'
import { ClaimLeases } from './claim-leases.job.js'
import { Claims } from './claims.service.js'
import { IDEMPOTENCY_KEY_HEADER, parseIdempotencyKey } from './idempotency-key.js'
import { keptHeaders, sendAnswer, toJsonAnswer } from './json-answer.js'
import { hashRequest } from './request-hash.js'

const FIRST_SUCCESS = 200
const FIRST_REDIRECT = 300

/** Makes a request with an `Idempotency-Key` happen once, and answers its repetitions with what it answered first. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly claims: Claims,
    private readonly leases: ClaimLeases,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>()
    const header = request.headers[IDEMPOTENCY_KEY_HEADER]
    const { principal } = request
    if (header === undefined || !principal) return next.handle()
    const reply = context.switchToHttp().getResponse<FastifyReply>()
    const key = parseIdempotencyKey(header)
    const requestHash = hashOf(request, principal)
    const claimed = await this.claims.claim({ tenantId: principal.tenantId, key, requestHash })
    if ('claim' in claimed) return from(this.run(claimed.claim, reply, next))
    void reply.header('Idempotent-Replayed', 'true')
    return of(sendAnswer(reply, claimed.answer))
  }

  /** Goes on to its end when the client hangs up: the answer is there when he asks again. */
  private async run(claim: Claim, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    this.leases.hold(claim)
    try {
      const handled = currentClaim.run(claim, () => next.handle())
      const result: unknown = await lastValueFrom(handled, { defaultValue: undefined })
      this.leases.drop(claim)
      return await this.finish(claim, reply, result)
    } catch (error) {
      this.leases.drop(claim)
      await this.claims.release(claim)
      throw error
    }
  }

  private async finish(claim: Claim, reply: FastifyReply, result: unknown): Promise<unknown> {
    if (claim.answer) return sendAnswer(reply, claim.answer)
    const { statusCode } = reply
    // A stream, or an answer that a time limit gave in the handler's place, is nothing that could be sent again.
    if (reply.sent || statusCode < FIRST_SUCCESS || statusCode >= FIRST_REDIRECT) {
      await this.claims.release(claim)
      return result
    }
    const answer = toJsonAnswer(statusCode, result, keptHeaders(reply))
    await this.claims.keep(claim, answer)
    return sendAnswer(reply, answer)
  }
}

function hashOf(request: AuthenticatedRequest, { apiKeyId, userId }: Principal): Buffer {
  const { method, params, query, body, routeOptions } = request
  return hashRequest({
    principalId: apiKeyId ?? userId,
    method,
    route: routeOptions.url ?? '',
    params,
    query,
    body,
  })
}
