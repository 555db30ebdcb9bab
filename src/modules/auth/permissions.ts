import { PERMISSIONS, type Permission, type Role } from '#platform/http/principal.js'

/** What every member may read. The audit log and other people's keys are not among it. */
const READ: readonly Permission[] = ['agents:read', 'runs:read', 'members:read']

const PERMISSIONS_OF_ROLE: Record<Role, ReadonlySet<Permission>> = {
  owner: new Set(PERMISSIONS),
  admin: new Set(PERMISSIONS),
  member: new Set([...READ, 'runs:write', 'api-keys:read', 'api-keys:write']),
  viewer: new Set(READ),
}

/** What a role may do. */
export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return PERMISSIONS_OF_ROLE[role]
}
