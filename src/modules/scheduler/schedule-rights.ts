import type { Permission } from '#platform/http/principal.js'
import { mayNotRun } from './scheduler.errors.js'

type Permissions = ReadonlySet<Permission>

/** A schedule starts runs: whoever it runs for must be allowed both. */
export function mayRunSchedules(permissions: Permissions): boolean {
  return permissions.has('schedules:write') && permissions.has('runs:write')
}

/** @throws AppError `forbidden` */
export function assertMayRunSchedules({ permissions }: { readonly permissions: Permissions }): void {
  if (!mayRunSchedules(permissions)) throw mayNotRun()
}
