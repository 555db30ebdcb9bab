import { type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { AuthGuard } from '@nestjs/passport'
import { AppError } from '#kernel/app-error.js'
import { ACCESS_METADATA, type Access } from '#platform/http/endpoint.js'
import type { AuthenticatedRequest, Principal } from '#platform/http/principal.js'
import { requestContext } from '#platform/http/request-context.js'
import { VerifiedTokens } from './sessions/verified-tokens.js'

const BEARER = 'Bearer '

/** Finds out who asks, and refuses nobody: that is for the guard after the rate limits, so that guesses are counted. */
@Injectable()
export class AuthenticationGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
  ) {
    super()
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.get<Access | undefined>(ACCESS_METADATA, context.getHandler()) === 'public') return true
    const request = context.switchToHttp().getRequest<AuthenticatedRequest & { user?: Principal | undefined }>()
    const principal = this.findVerified(request) ?? (await this.verify(context, request))
    if (!principal) return true
    request.principal = principal
    Object.assign(requestContext.getStore() ?? {}, { tenantId: principal.tenantId, userId: principal.userId })
    return true
  }

  private findVerified({ headers }: AuthenticatedRequest): Principal | undefined {
    const { authorization } = headers
    return authorization?.startsWith(BEARER) ? this.verified.find(authorization.slice(BEARER.length)) : undefined
  }

  private async verify(
    context: ExecutionContext,
    request: { user?: Principal | undefined },
  ): Promise<Principal | undefined> {
    await super.canActivate(context)
    return request.user
  }

  /** Passport's outcome: the principal, or nobody, in whichever way a token is wrong. */
  override handleRequest<T = Principal | undefined>(error: unknown, principal: T | false): T {
    if (error instanceof AppError) throw error
    return principal || (undefined as T)
  }
}
