import type { ScheduleKey } from '../schedules/schedule.js'

/** Schedules of one tenant. */
export interface TenantSchedules {
  readonly tenantId: string
  readonly ids: readonly string[]
}

/** Each tenant's own, in the order in which the tenants first come. */
export function byTenant(schedules: Iterable<ScheduleKey>): TenantSchedules[] {
  const groups = Map.groupBy(schedules, ({ tenantId }) => tenantId)
  return [...groups].map(([tenantId, some]) => ({ tenantId, ids: some.map(({ id }) => id) }))
}
