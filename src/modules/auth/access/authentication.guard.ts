import { type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { AuthGuard } from '@nestjs/passport'
import { AppError } from '#kernel/app-error.js'
import { ACCESS_METADATA, type Access } from '#platform/http/endpoint.js'
import type { AuthenticatedRequest, Principal } from '#platform/http/principal.js'
import { requestContext } from '#platform/http/request-context.js'
import type { AccessClaims } from '../sessions/access-tokens.js'
import { VerifiedTokens } from '../sessions/verified-tokens.js'
import { presentedCredential, type PresentedCredential } from './presented-credential.js'
import { Principals } from './principals.service.js'

/** A request on its way through the guards. */
export interface GuardedRequest extends AuthenticatedRequest {
  /** Passport's word for what the access token says. */
  user?: AccessClaims
  credential?: PresentedCredential | null
  /** Why the credential was refused: told by the authorization guard, after the request has been counted. */
  refusal?: unknown
}

/**
 * First of the guards: finds out who asks, and refuses nobody. A wrong credential must be counted by the rate limit
 * before it is answered, or guessing would be free.
 */
@Injectable()
export class AuthenticationGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
    private readonly principals: Principals,
  ) {
    super()
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS_METADATA, context.getHandler())
    if (access === 'public') return true
    const request = context.switchToHttp().getRequest<GuardedRequest>()
    request.credential = presentedCredential(request)
    if (request.credential === null) return true
    try {
      const principal = await this.resolve(request.credential, context, request)
      request.principal = principal
      Object.assign(requestContext.getStore() ?? {}, {
        tenantId: principal.tenantId,
        userId: principal.userId,
        ...(principal.apiKeyId !== null && { apiKeyId: principal.apiKeyId }),
      })
    } catch (error) {
      request.refusal = error
    }
    return true
  }

  private async resolve(
    credential: PresentedCredential,
    context: ExecutionContext,
    request: GuardedRequest,
  ): Promise<Principal> {
    if (credential.kind === 'api_key') return this.principals.ofApiKey(credential.text)
    const claims = this.verified.find(credential.text)
    if (claims) {
      request.user = claims
      return this.principals.ofSession(claims)
    }
    await super.canActivate(context)
    if (!request.user) throw unauthenticated()
    this.verified.add(credential.text, request.user)
    return this.principals.ofSession(request.user)
  }

  /** Passport's outcome: the claims, or one answer for every way in which a token can be wrong. */
  override handleRequest<T = AccessClaims>(error: unknown, claims: T | false): T {
    if (error instanceof AppError) throw error
    if (!claims) throw unauthenticated(error)
    return claims
  }
}

export function unauthenticated(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'unauthenticated', {
    detail: 'Send a valid access token or API key: Authorization: Bearer <token>.',
    cause,
  })
}
