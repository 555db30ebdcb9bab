import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'

export const ROLES = ['owner', 'admin', 'member', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/** What a route may ask for. A role holds a set of these; routes never ask for a role. */
export const PERMISSIONS = ['agents:read', 'runs:read', 'runs:write'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** Who asks, in which tenant. Resolved once a request by the guard of the auth module. */
export interface Principal {
  readonly tenantId: string
  readonly userId: string
  readonly sessionId: string
  readonly role: Role
  readonly permissions: ReadonlySet<Permission>
}

export interface AuthenticatedRequest extends FastifyRequest {
  principal: Principal
}

/** Hands a controller the principal that the guard resolved. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal =>
    context.switchToHttp().getRequest<AuthenticatedRequest>().principal,
)
