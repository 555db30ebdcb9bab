import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'

export const ROLES = ['owner', 'admin', 'member', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/** What a route may ask for. A role holds a set of these; routes never ask for a role. */
export const PERMISSIONS = [
  'agents:read',
  'agents:write',
  'mcp-servers:read',
  'mcp-servers:write',
  'runs:read',
  'runs:write',
  'approvals:read',
  'approvals:write',
  'approvals:configure',
  'members:read',
  'members:write',
  'api-keys:read',
  'api-keys:write',
  'schedules:read',
  'schedules:write',
  'schedules:configure',
  'projects:read',
  'projects:write',
  'costs:read',
  'costs:configure',
  'metrics:read',
  'webhooks:read',
  'webhooks:write',
  'audit:read',
  'cache:clear',
] as const
export type Permission = (typeof PERMISSIONS)[number]

/** Who asks, in which tenant: a person in a session, or an API key that acts for one. Resolved once a request. */
export interface Principal {
  readonly tenantId: string
  /** Of an API key: who made it. */
  readonly userId: string
  /** Null for an API key. */
  readonly sessionId: string | null
  /** Null for a session. */
  readonly apiKeyId: string | null
  readonly role: Role
  /** Of an API key: its scopes, as far as its maker's role of the day goes. */
  readonly permissions: ReadonlySet<Permission>
  /** An API key's own limit; null: that of the role. */
  readonly rateLimitPerMinute: number | null
}

export interface AuthenticatedRequest extends FastifyRequest {
  /** Undefined on a public route, and on an optional one without credentials. */
  principal?: Principal
}

/** Hands a controller the principal that the guard resolved. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>()
  if (!principal) throw new Error('this route asks for a principal and is open to requests without one')
  return principal
})

/** The same on a route with `access: 'optional'`. */
export const OptionalPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal | undefined =>
    context.switchToHttp().getRequest<AuthenticatedRequest>().principal,
)
