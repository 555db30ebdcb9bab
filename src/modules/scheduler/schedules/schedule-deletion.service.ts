import { Injectable } from '@nestjs/common'
import { EventBus } from '#platform/events/event-bus.js'
import type { Principal } from '#platform/http/principal.js'
import { ScheduleDeleted } from './schedule.events.js'
import { ScheduleStandstill } from './schedule-standstill.service.js'
import { SchedulesRepository } from './schedules.repository.js'

/** Deletes schedules. */
@Injectable()
export class ScheduleDeletion {
  constructor(
    private readonly standstill: ScheduleStandstill,
    private readonly repository: SchedulesRepository,
    private readonly events: EventBus,
  ) {}

  /** What is due by now is seen to first; what waits is skipped, and runs under way go on. @throws AppError `not_found`, `unavailable` */
  async delete({ tenantId }: Principal, id: string): Promise<void> {
    await this.standstill.hold(
      { tenantId, id },
      {
        prepare: async () => undefined,
        work: async ({ schedule }, tx) => {
          await this.repository.delete(schedule, tx)
          await this.events.emit(new ScheduleDeleted(schedule), tx)
        },
      },
    )
  }
}
