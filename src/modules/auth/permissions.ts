import { PERMISSIONS, type Permission, type Role } from '#platform/http/principal.js'

/** Not who did what from where: that is for those who answer for the tenant. */
const READ: readonly Permission[] = PERMISSIONS.filter(
  (permission) => permission.endsWith(':read') && permission !== 'audit:read',
)

const PERMISSIONS_OF_ROLE: Record<Role, ReadonlySet<Permission>> = {
  owner: new Set(PERMISSIONS),
  admin: new Set(PERMISSIONS),
  member: new Set([...READ, 'runs:write']),
  viewer: new Set(READ),
}

/** What a role may do. */
export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return PERMISSIONS_OF_ROLE[role]
}
