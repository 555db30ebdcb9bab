import { type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { AuthGuard } from '@nestjs/passport'
import { AppError } from '#kernel/app-error.js'
import { ACCESS_METADATA, type Access, isPermissionAccess } from '#platform/http/endpoint.js'
import type { AuthenticatedRequest, Principal } from '#platform/http/principal.js'
import { requestContext } from '#platform/http/request-context.js'
import { VerifiedTokens } from './sessions/verified-tokens.js'

const BEARER = 'Bearer '

/** Stands before every route. Deny by default: a route that declares no access is refused to everybody. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
  ) {
    super()
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS_METADATA, context.getHandler())
    if (access === 'public') return true
    const request = context.switchToHttp().getRequest<AuthenticatedRequest & { user: Principal }>()
    const principal = this.findVerified(request) ?? (await this.verify(context, request))
    request.principal = principal
    const { tenantId, userId, apiKeyId } = principal
    Object.assign(requestContext.getStore() ?? {}, { tenantId, userId, ...(apiKeyId !== null && { apiKeyId }) })
    if (access === 'authenticated') return true
    if (access !== undefined && isPermissionAccess(access) && principal.permissions.has(access)) return true
    throw new AppError('forbidden', 'forbidden', {
      detail: access === undefined ? 'This route is not open to anyone.' : `This needs the permission ${access}.`,
    })
  }

  private findVerified({ headers }: AuthenticatedRequest): Principal | undefined {
    const { authorization } = headers
    return authorization?.startsWith(BEARER) ? this.verified.find(authorization.slice(BEARER.length)) : undefined
  }

  private async verify(context: ExecutionContext, request: { user: Principal }): Promise<Principal> {
    await super.canActivate(context)
    return request.user
  }

  /** Passport's outcome: the principal, or one answer for every way in which a token can be wrong. */
  override handleRequest<T = Principal>(error: unknown, principal: T | false): T {
    if (error instanceof AppError) throw error
    if (!principal) {
      throw new AppError('unauthenticated', 'unauthenticated', {
        detail: 'Send a valid access token: Authorization: Bearer <token>.',
        cause: error,
      })
    }
    return principal
  }
}
