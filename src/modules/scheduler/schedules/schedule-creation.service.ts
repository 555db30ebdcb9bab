import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { Idempotency } from '#platform/http/idempotency/idempotency.service.js'
import type { Principal } from '#platform/http/principal.js'
import { ScheduleBell } from '../firing/schedule-bell.service.js'
import { assertMayRunSchedules } from '../schedule-rights.js'
import { ScheduleCreated } from './schedule.events.js'
import { ScheduleDrafts } from './schedule-drafts.service.js'
import { toSchedule } from './schedule-view.js'
import { SchedulesRepository } from './schedules.repository.js'
import { addressOf, type CreateScheduleCommand, type Schedule } from './schedules.schemas.js'

const CREATED = 201

/** Adds schedules. Each runs in the name of who has added it. */
@Injectable()
export class ScheduleCreation {
  constructor(
    private readonly database: Database,
    private readonly repository: SchedulesRepository,
    private readonly drafts: ScheduleDrafts,
    private readonly events: EventBus,
    private readonly bell: ScheduleBell,
    private readonly idempotency: Idempotency,
  ) {}

  /** @throws AppError `forbidden`, `project_archived`; `validation_failed`, for one more than a tenant may have, too */
  async create(requester: Principal, command: CreateScheduleCommand): Promise<Schedule> {
    const { tenantId } = requester
    assertMayRunSchedules(requester)
    const runProblems = await this.drafts.findRunProblems(requester, { ...command, input: command.input ?? {} })
    return this.database.transaction({ tenantId }, async (tx) => {
      await this.drafts.assertRoom(tenantId, tx)
      // With the lock in hand: the wait for it took time.
      const now = await this.repository.readClock(tx)
      const schedule = await this.drafts.create({ requester, command, runProblems, now }, tx)
      await this.repository.add(schedule, tx)
      await Promise.all([this.events.emit(new ScheduleCreated(schedule), tx), this.bell.ring(tx)])
      const created = toSchedule(await this.repository.getRow(schedule, tx))
      await this.idempotency.complete({ status: CREATED, body: created, location: addressOf(created) }, tx)
      return created
    })
  }
}
