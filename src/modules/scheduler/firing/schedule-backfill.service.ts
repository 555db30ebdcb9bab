import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { isUuid, newId } from '#kernel/ids.js'
import { Database } from '#platform/database/database.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { assertMayRunSchedules } from '../schedule-rights.js'
import { noSuchSchedule, scheduleBusy, schedulePaused, tooManyWaiting } from '../scheduler.errors.js'
import { ScheduleBackfilled } from '../schedules/schedule.events.js'
import { toRecord } from '../schedules/schedule-columns.js'
import { dueAt, timingOf } from '../schedules/schedule-place.js'
import type { ScheduleRecord } from '../schedules/schedule.js'
import { timesBetween } from '../timing/timing.js'
import type { Backfill, BackfillCommand } from './backfill.schemas.js'
import { BackfillQueue } from './backfill-queue.service.js'
import { ScheduleTurns } from './schedule-turns.service.js'
import { TurnsRepository } from './turns.repository.js'

const ACCEPTED = 202
/** Executions of a schedule that wait at once, for whatever reason. */
export const MAX_WAITING = 1000
/** Each is lost to somebody who changes the schedule at the same moment. */
const MAX_TRIES = 3

/**
 * Makes up for due times of the past, those that were missed or skipped and those from before the schedule was made, one after the
 * other behind what is due now; all at once where overlaps are allowed.
 */
@Injectable()
export class ScheduleBackfill {
  constructor(
    private readonly database: Database,
    private readonly turns: ScheduleTurns,
    private readonly schedules: TurnsRepository,
    private readonly waiting: BackfillQueue,
    private readonly events: EventBus,
    private readonly idempotency: Idempotency,
  ) {}

  /** They begin behind this. @throws AppError `not_found`, `forbidden`, `validation_failed`, `schedule_paused`, `too_many_waiting`, `project_archived`, `project_deleted` */
  async backfill(principal: Principal, id: string, command: BackfillCommand): Promise<Backfill> {
    const { tenantId } = principal
    const key = { tenantId, id }
    assertMayRunSchedules(principal)
    if (!isUuid(id)) throw noSuchSchedule()
    if (Date.parse(command.from) >= Date.parse(command.to)) throw invalidField('/to', 'It must be after `from`.')
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      // What is due now is fired, and not made up for.
      await this.turns.take(key)
      const [row] = await this.schedules.listUpcoming([{ tenantId, ids: [id] }])
      if (!row) throw noSuchSchedule()
      const schedule = toRecord(row)
      if (Date.parse(command.to) > row.now.getTime()) throw invalidField('/to', 'It must not be in the future.')
      const times = timesOf(schedule, command)
      const backfill = await this.database.transaction({ tenantId }, (tx) =>
        this.queue({ principal, schedule, command, times }, tx),
      )
      if (backfill) return backfill
    }
    throw scheduleBusy()
  }

  /** Null: the schedule has changed meanwhile. */
  private async queue({ principal, schedule, command, times }: Request, tx: Tx): Promise<Backfill | null> {
    const { tenantId, id } = schedule
    const [row] = await this.schedules.lock([{ tenantId, ids: [id] }], 'asked', tx)
    if (!row) throw noSuchSchedule()
    if (Number(row.revision) !== schedule.revision) return null
    if (!row.isActive) throw schedulePaused()
    if (Number(row.waitingCount) + times.length > MAX_WAITING) throw tooManyWaiting(MAX_WAITING)
    // With a jitter, the last nominal time may still be to come; and behind its end a schedule has none.
    const past = times.filter((nominalAt) => nominalAt <= row.cursorAt)
    const due = past.map((nominalAt) => ({ id: newId(), nominalAt, dueAt: dueAt(schedule, nominalAt) }))
    const queued = await this.waiting.add(schedule, due, principal, tx)
    const body = { queued, alreadyDone: past.length - queued }
    await this.events.emit(new ScheduleBackfilled(schedule, { ...command, queued }), tx)
    await this.idempotency.complete({ status: ACCEPTED, body }, tx)
    return body
  }
}

interface Request {
  readonly principal: Principal
  readonly schedule: ScheduleRecord
  readonly command: BackfillCommand
  readonly times: readonly Date[]
}

/** At or after `from`, and before `to`. */
function timesOf(schedule: ScheduleRecord, { from, to }: BackfillCommand): Date[] {
  const after = new Date(Date.parse(from) - 1)
  const until = new Date(Date.parse(to) - 1)
  const times = timesBetween(timingOf(schedule), { after, until, limit: MAX_WAITING + 1 })
  if (times.length > MAX_WAITING) throw invalidField('/to', `More than ${MAX_WAITING} due times: take a shorter span.`)
  return times
}
