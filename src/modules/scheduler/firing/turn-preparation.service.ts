import { Injectable } from '@nestjs/common'
import type { RunRequester } from '#modules/runs'
import { toRecord } from '../schedules/schedule-columns.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import type { PreparedTurn } from './locked-turn.js'
import { keyOf, type RunPlan, uniqueRequesters } from './run-plan.js'
import { byTenant, type TenantSchedules } from './tenant-schedules.js'
import { TurnPlans } from './turn-plans.service.js'
import type { UpcomingRow } from './turn-rows.js'
import { type TurnOccasion, TurnsRepository } from './turns.repository.js'

interface Upcoming {
  readonly schedule: ScheduleRecord
  /** In whose names runs of it may be made in this turn. */
  readonly requesters: readonly RunRequester[]
}

/** Looks, before schedules are locked, at all that their turns need beside their rows. */
@Injectable()
export class TurnPreparation {
  constructor(
    private readonly repository: TurnsRepository,
    private readonly plans: TurnPlans,
  ) {}

  /** By the schedules' ids. Those that are gone, and those that the occasion is not for any more, are left out. */
  async prepare(
    schedules: readonly TenantSchedules[],
    occasion: TurnOccasion,
  ): Promise<ReadonlyMap<string, PreparedTurn>> {
    const rows = await this.repository.listUpcoming(schedules, occasion)
    const gone = byTenant(rows.filter(({ isDeleted }) => isDeleted))
    for (const some of gone) await this.repository.forgetEnds(some)
    const upcoming = rows.filter(({ isDeleted }) => !isDeleted).map(toUpcoming)
    const until = typeof occasion === 'string' ? null : occasion.dueAt
    const refusals = await this.plans.findRefusals(
      upcoming.flatMap(({ requesters }) => requesters),
      until,
    )
    const prepared = upcoming.map(async ({ schedule, requesters }): Promise<[string, PreparedTurn]> => {
      const plans = requesters.map(async (requester): Promise<[string, RunPlan]> => {
        const refusal = refusals.get(keyOf(requester)) ?? null
        return [keyOf(requester), refusal === null ? await this.plans.plan(schedule, requester) : { refusal }]
      })
      return [schedule.id, { schedule, plans: new Map(await Promise.all(plans)) }]
    })
    return new Map(await Promise.all(prepared))
  }
}

function toUpcoming({ isDue, isDeleted: _isDeleted, now: _now, waitingFor, ...row }: UpcomingRow): Upcoming {
  const schedule = toRecord(row)
  const { tenantId } = schedule
  const own = { tenantId, userId: schedule.userId, apiKeyId: schedule.apiKeyId }
  const waiting = waitingFor.map(({ userId, apiKeyId }) => (userId === null ? own : { tenantId, userId, apiKeyId }))
  const all = isDue ? [own, ...waiting] : waiting
  return { schedule, requesters: uniqueRequesters(all) }
}
