import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { AppError } from '#kernel/app-error.js'
import { ACCESS_METADATA, type Access, isPermissionAccess } from '#platform/http/endpoint.js'
import type { AuthenticatedRequest } from '#platform/http/principal.js'

/** Stands before every route. Deny by default: a route that declares no access is refused to everybody. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const access = this.reflector.get<Access | undefined>(ACCESS_METADATA, context.getHandler())
    if (access === 'public') return true
    const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>()
    if (!principal) {
      throw new AppError('unauthenticated', 'unauthenticated', {
        detail: 'Send a valid access token: Authorization: Bearer <token>.',
      })
    }
    if (access === 'authenticated') return true
    if (access !== undefined && isPermissionAccess(access) && principal.permissions.has(access)) return true
    throw new AppError('forbidden', 'forbidden', {
      detail: access === undefined ? 'This route is not open to anyone.' : `This needs the permission ${access}.`,
    })
  }
}
