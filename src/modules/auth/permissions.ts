import { PERMISSIONS, type Permission, type Role } from '#platform/http/principal.js'

/** What every member may read. To decide approvals, to say how often schedules may be due, what models cost and what may be spent, and to hold the credentials of MCP servers takes an administrator, as do webhooks: what their URLs and deliveries hold is not for everybody. The audit log and other people's keys are not among it. */
const READ: readonly Permission[] = [
  'agents:read',
  'mcp-servers:read',
  'runs:read',
  'approvals:read',
  'members:read',
  'schedules:read',
  'projects:read',
  'costs:read',
  'metrics:read',
]

const PERMISSIONS_OF_ROLE: Record<Role, ReadonlySet<Permission>> = {
  owner: new Set(PERMISSIONS),
  admin: new Set(PERMISSIONS),
  member: new Set([
    ...READ,
    'agents:write',
    'runs:write',
    'schedules:write',
    'projects:write',
    'api-keys:read',
    'api-keys:write',
  ]),
  viewer: new Set(READ),
}

/** What a role may do. */
export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return PERMISSIONS_OF_ROLE[role]
}
