import { isDeepStrictEqual } from 'node:util'
import { Injectable } from '@nestjs/common'
import type { FieldError } from '#kernel/app-error.js'
import type { Tx } from '#platform/database/tx.js'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { ScheduleBell } from '../firing/schedule-bell.service.js'
import { assertMayRunSchedules } from '../schedule-rights.js'
import { scheduleEnded } from '../scheduler.errors.js'
import { ScheduleChanged, SchedulePaused, ScheduleResumed } from './schedule.events.js'
import type { ScheduleChange } from './schedule-draft.js'
import { ScheduleDrafts } from './schedule-drafts.service.js'
import { haveSameRun, settingsAfter } from './schedule-settings.js'
import { ScheduleStandstill } from './schedule-standstill.service.js'
import type { ScheduleRecord } from './schedule.js'
import { toSchedule } from './schedule-view.js'
import { SchedulesRepository } from './schedules.repository.js'
import type { ChangeScheduleCommand, Schedule } from './schedules.schemas.js'

/** Changes, pauses and resumes schedules. Who changes or resumes one is in whose name it runs from then on. */
@Injectable()
export class ScheduleChanges {
  constructor(
    private readonly standstill: ScheduleStandstill,
    private readonly repository: SchedulesRepository,
    private readonly drafts: ScheduleDrafts,
    private readonly events: EventBus,
    private readonly bell: ScheduleBell,
  ) {}

  /** @throws AppError `not_found`, `forbidden`, `validation_failed`, `schedule_ended`, `project_archived`, `project_deleted`, `unavailable` */
  async change(requester: Principal, id: string, command: ChangeScheduleCommand): Promise<Schedule> {
    const key = { tenantId: requester.tenantId, id }
    const isPause = isDeepStrictEqual(command, { active: false })
    // To stop what starts runs takes no right to start them.
    if (!isPause) assertMayRunSchedules(requester)
    return this.standstill.hold(key, {
      mayBeDue: isPause,
      prepare: (seen) => this.findRunProblems(requester, seen, command),
      work: async ({ schedule, now, prepared }, tx) => {
        const request = { requester, command, runProblems: prepared, now }
        const change = await this.drafts.change(schedule, request, tx)
        if (change) await this.write(schedule, change, tx)
        return toSchedule(await this.repository.getRow(key, tx))
      },
    })
  }

  /** Nothing where it was paused already. @throws AppError `not_found`, `unavailable` */
  pause(requester: Principal, id: string): Promise<Schedule> {
    return this.change(requester, id, { active: false })
  }

  /** From now on: what was due meanwhile is not made up for. @throws AppError as `change` */
  async resume(requester: Principal, id: string): Promise<Schedule> {
    const resumed = await this.change(requester, id, { active: true })
    if (resumed.endedReason !== null) throw scheduleEnded()
    return resumed
  }

  private async findRunProblems(
    requester: Principal,
    before: ScheduleRecord,
    command: ChangeScheduleCommand,
  ): Promise<readonly FieldError[]> {
    const after = settingsAfter(before, command, undefined)
    return haveSameRun(before, after) ? [] : this.drafts.findRunProblems(requester, after)
  }

  private async write(before: ScheduleRecord, change: ScheduleChange, tx: Tx): Promise<void> {
    const { after, areSettingsNew } = change
    await this.repository.update(after, change, tx)
    await this.bell.ring(tx)
    if (areSettingsNew) await this.events.emit(new ScheduleChanged(before, after), tx)
    if (before.isActive && !after.isActive) await this.events.emit(new SchedulePaused(after, null), tx)
    if (!before.isActive && after.isActive) await this.events.emit(new ScheduleResumed(after), tx)
  }
}
