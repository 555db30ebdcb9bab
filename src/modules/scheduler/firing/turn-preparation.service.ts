import { Injectable } from '@nestjs/common'
import { toRecord } from '../schedules/schedule-columns.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import type { PreparedTurn } from './locked-turn.js'
import { keyOf, type RunPlan } from './run-plan.js'
import { TurnPlans } from './turn-plans.service.js'
import type { Requester, UpcomingRow } from './turn-rows.js'
import { TurnsRepository } from './turns.repository.js'

interface Upcoming {
  readonly schedule: ScheduleRecord
  /** In whose names runs of it may be made in this turn. */
  readonly requesters: readonly Requester[]
}

/** Looks, before schedules are locked, at all that their turns need beside their rows. */
@Injectable()
export class TurnPreparation {
  constructor(
    private readonly repository: TurnsRepository,
    private readonly plans: TurnPlans,
  ) {}

  /** By the schedules' ids. Those that are gone are left out; with `onlyReady`, those that have nothing to do any more, too. */
  async prepare(
    tenantId: string,
    ids: readonly string[],
    onlyReady: boolean,
  ): Promise<ReadonlyMap<string, PreparedTurn>> {
    const rows = await this.repository.listUpcoming(tenantId, ids, onlyReady)
    const gone = rows.filter(({ isDeleted }) => isDeleted).map(({ id }) => id)
    if (gone.length > 0) await this.repository.forgetEnds(tenantId, gone)
    const upcoming = rows.filter(({ isDeleted }) => !isDeleted).map(toUpcoming)
    const requesters = upcoming.flatMap((one) => one.requesters)
    const refusals = await this.plans.findRefusals(tenantId, requesters)
    const prepared = upcoming.map(async (one): Promise<[string, PreparedTurn]> => {
      const plans = one.requesters.map(async (requester): Promise<[string, RunPlan]> => {
        const key = keyOf(requester)
        const refusal = refusals.get(key) ?? null
        return [key, refusal === null ? await this.plans.plan(one.schedule, { tenantId, ...requester }) : { refusal }]
      })
      return [one.schedule.id, { schedule: one.schedule, plans: new Map(await Promise.all(plans)) }]
    })
    return new Map(await Promise.all(prepared))
  }
}

function toUpcoming({ isDue, isDeleted: _isDeleted, now: _now, waitingFor, ...row }: UpcomingRow): Upcoming {
  const schedule = toRecord(row)
  const own = { userId: schedule.userId, apiKeyId: schedule.apiKeyId }
  const waiting = waitingFor.map(({ userId, apiKeyId }) => (userId === null ? own : { userId, apiKeyId }))
  const all = isDue ? [own, ...waiting] : waiting
  return { schedule, requesters: [...new Map(all.map((requester) => [keyOf(requester), requester])).values()] }
}
