import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import type { PlannedRun } from '#modules/runs'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { toExecution } from '../executions/execution-view.js'
import { addressOfExecution, type Execution } from '../executions/executions.schemas.js'
import { assertMayRunSchedules } from '../schedule-rights.js'
import { noSuchSchedule, scheduleBusy } from '../scheduler.errors.js'
import { ScheduleTriggered } from '../schedules/schedule.events.js'
import { toRecord } from '../schedules/schedule-columns.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { RequestedExecutions } from './requested-executions.service.js'
import { ScheduleTurns } from './schedule-turns.service.js'
import { TurnPlans } from './turn-plans.service.js'
import { TurnsRepository } from './turns.repository.js'

const ACCEPTED = 202
/** Each is lost to somebody who changes the schedule at the same moment. */
const MAX_TRIES = 3

interface Trigger {
  readonly principal: Principal
  readonly schedule: ScheduleRecord
  readonly run: PlannedRun
}

/** Fires a schedule by hand: now, in the name of who asks, also where it is paused. Its overlap policy holds. */
@Injectable()
export class ScheduleTrigger {
  constructor(
    private readonly database: Database,
    private readonly rows: TurnsRepository,
    private readonly turns: ScheduleTurns,
    private readonly plans: TurnPlans,
    private readonly requested: RequestedExecutions,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `not_found`, `forbidden`, `budget_exceeded`, `schedule_unrunnable`, `project_archived`, `project_deleted` */
  async trigger(principal: Principal, id: string): Promise<Execution> {
    const { tenantId } = principal
    assertMayRunSchedules(principal)
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const [row] = isUuid(id) ? await this.rows.listUpcoming([{ tenantId, ids: [id] }]) : []
      if (!row) throw noSuchSchedule()
      const schedule = toRecord(row)
      const run = await this.plans.planOrThrow(schedule, principal)
      const trigger = { principal, schedule, run }
      await this.turns.whenFree(schedule)
      const execution = await this.database.transaction({ tenantId }, (tx) => this.fire(trigger, tx))
      if (execution) return execution
    }
    throw scheduleBusy()
  }

  /** Null: the schedule has changed meanwhile. */
  private async fire({ principal, schedule, run }: Trigger, tx: Tx): Promise<Execution | null> {
    const { tenantId, id } = schedule
    const [row] = await this.rows.lock([{ tenantId, ids: [id] }], 'asked', tx)
    if (!row) throw noSuchSchedule()
    if (Number(row.revision) !== schedule.revision) return null
    const body = toExecution(await this.requested.add({ schedule, row, requester: principal, run }, tx))
    await this.events.emit(new ScheduleTriggered(schedule, body.id), tx)
    await this.idempotency.complete({ status: ACCEPTED, body, location: addressOfExecution(body) }, tx)
    return body
  }
}
