import { Injectable } from '@nestjs/common'
import { isUuid, newId } from '#kernel/ids.js'
import { type PlannedRun, RunOrders } from '#modules/runs'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { EXECUTION_REASONS } from '../executions/execution.js'
import { toExecution } from '../executions/execution-view.js'
import { addressOfExecution, type Execution } from '../executions/executions.schemas.js'
import { noSuchSchedule, scheduleBusy } from '../scheduler.errors.js'
import { ScheduleTriggered } from '../schedules/schedule.events.js'
import { toRecord } from '../schedules/schedule-columns.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { admit } from './admission.js'
import { RequestedExecutionsRepository } from './requested-executions.repository.js'
import { TurnPlans } from './turn-plans.service.js'
import type { LockedRow } from './turn-rows.js'
import { TurnWritesRepository } from './turn-writes.repository.js'
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
    private readonly turns: TurnsRepository,
    private readonly plans: TurnPlans,
    private readonly orders: RunOrders,
    private readonly writes: TurnWritesRepository,
    private readonly executions: RequestedExecutionsRepository,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `not_found`, `budget_exceeded`, `schedule_unrunnable` */
  async trigger(principal: Principal, id: string): Promise<Execution> {
    const { tenantId } = principal
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const [row] = isUuid(id) ? await this.turns.listUpcoming(tenantId, [id]) : []
      if (!row) throw noSuchSchedule()
      const schedule = toRecord(row)
      await this.orders.assertAffordable(principal)
      const run = await this.plans.planOrThrow(schedule, principal)
      const execution = await this.database.transaction({ tenantId }, (tx) =>
        this.fire({ principal, schedule, run }, tx),
      )
      if (execution) return execution
    }
    throw scheduleBusy()
  }

  /** Null: the schedule has changed meanwhile. */
  private async fire({ principal, schedule, run }: Trigger, tx: Tx): Promise<Execution | null> {
    const { tenantId, id } = schedule
    const [row] = await this.turns.lock(tenantId, [id], false, tx)
    if (!row) throw noSuchSchedule()
    if (Number(row.revision) !== schedule.revision) return null
    const open = { running: row.running.filter(({ end }) => end === null).length, queued: Number(row.queued) }
    const { execution, stopsRunning } = admit(schedule.overlap, open, true)
    const executionId = newId()
    const runId = execution.run === 'start' ? newId() : null
    if (runId !== null) {
      await this.orders.add([{ runId, plan: run, projectId: schedule.projectId, scheduleId: id, at: row.now }], tx)
    }
    const { userId, apiKeyId } = principal
    const times = { nominalAt: row.now, dueAt: row.now }
    const isQueued = execution.run === 'queue'
    const { status, reason } = execution
    const added = { id: executionId, scheduleId: id, trigger: 'manual' as const, status, reason, runId, isQueued }
    await this.writes.add([{ ...added, ...times, userId, apiKeyId }], tx)
    if (stopsRunning) await this.stop(schedule, row, tx)
    await this.events.emit(new ScheduleTriggered(schedule, executionId), tx)
    const body = toExecution(await this.executions.get(tenantId, executionId, tx))
    await this.idempotency.complete({ status: ACCEPTED, body, location: addressOfExecution(body) }, tx)
    return body
  }

  private async stop({ tenantId }: ScheduleRecord, { running, now }: LockedRow, tx: Tx): Promise<void> {
    for (const { runId } of running) if (runId !== null) await this.orders.stop({ tenantId, runId }, now, tx)
    const ids = running.map(({ id }) => id)
    await this.writes.giveReason(ids, EXECUTION_REASONS.replaced, tx)
  }
}
