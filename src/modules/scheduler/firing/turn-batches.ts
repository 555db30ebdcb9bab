import type { ScheduleKey } from '../schedules/schedule.js'
import { byTenant, type TenantSchedules } from './tenant-schedules.js'

/** Schedules whose turns are one transaction, of one tenant or several. */
export type Batch = readonly TenantSchedules[]

/** In an order of chance: replicas that look at the same moment then begin with different ones. */
export function toBatches(schedules: readonly ScheduleKey[], size: number): Batch[] {
  const parts = byTenant(schedules).flatMap(({ tenantId, ids }) =>
    chunk(ids, size).map((some) => ({ tenantId, ids: some })),
  )
  const inOrder = parts.map((part) => ({ part, turn: Math.random() })).toSorted((a, b) => a.turn - b.turn)
  const batches: TenantSchedules[][] = []
  let room = 0
  for (const { part } of inOrder) {
    if (part.ids.length > room) {
      batches.push([])
      room = size
    }
    batches.at(-1)?.push(part)
    room -= part.ids.length
  }
  return batches
}

export function idsOf(batch: Batch): string[] {
  return batch.flatMap(({ ids }) => ids)
}

/** What is left to try when a batch has failed: tenant by tenant, and then one by one. */
export function partsOf(batch: Batch): Batch[] {
  if (batch.length > 1) return batch.map((part) => [part])
  return batch.flatMap(({ tenantId, ids }) => ids.map((id) => [{ tenantId, ids: [id] }]))
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
