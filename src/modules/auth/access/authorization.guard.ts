import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { AppError } from '#kernel/app-error.js'
import { ACCESS_METADATA, type Access, isPermissionAccess } from '#platform/http/endpoint.js'
import type { Principal } from '#platform/http/principal.js'
import { CsrfProtection } from '../sessions/csrf-protection.service.js'
import { AccessRefusals } from './access-refusals.service.js'
import { type GuardedRequest, unauthenticated } from './authentication.guard.js'

/** Last of the guards. Deny by default: a route that declares no access is refused to everybody. */
@Injectable()
export class AuthorizationGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly csrf: CsrfProtection,
    private readonly refusals: AccessRefusals,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<never> {
    const access = this.reflector.get<Access | undefined>(ACCESS_METADATA, context.getHandler())
    if (access === 'public') return true
    const request = context.switchToHttp().getRequest<GuardedRequest>()
    if (request.refusal !== undefined && !(access === 'lenient' && isUnauthenticated(request.refusal)))
      throw request.refusal
    const { principal, credential } = request
    if (!principal) {
      if (access === 'optional' || access === 'lenient') return true
      throw unauthenticated()
    }
    if (credential?.kind === 'access_token' && credential.fromCookie) this.csrf.assertIntended(request, principal)
    if (isAllowed(principal, access)) return true
    return this.refuse(principal, access, request)
  }

  private async refuse(principal: Principal, access: Access | undefined, request: GuardedRequest): Promise<never> {
    if (access !== undefined) await this.refusals.report(principal, access, request)
    throw new AppError('forbidden', 'forbidden', { detail: refusalOf(access) })
  }
}

/** Not, for example, that nobody could look. */
function isUnauthenticated(refusal: unknown): boolean {
  return refusal instanceof AppError && refusal.kind === 'unauthenticated'
}

/** Whether the permissions are enough for a route of this access. */
export function isAllowed(principal: Principal, access: Access | undefined): boolean {
  if (access === 'authenticated' || access === 'optional' || access === 'lenient') return true
  if (access === 'session') return principal.sessionId !== null
  return access !== undefined && isPermissionAccess(access) && principal.permissions.has(access)
}

function refusalOf(access: Access | undefined): string {
  if (access === undefined) return 'This route is not open to anyone.'
  return access === 'session' ? 'An API key cannot do this: sign in.' : `This needs the permission ${access}.`
}
