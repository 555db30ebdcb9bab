import type { Permission } from '#platform/http/principal.js'

/** A schedule starts runs: whoever it runs for must be allowed both. */
export function mayRunSchedules(permissions: ReadonlySet<Permission>): boolean {
  return permissions.has('schedules:write') && permissions.has('runs:write')
}
