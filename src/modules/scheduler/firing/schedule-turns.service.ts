import { Injectable } from '@nestjs/common'
import type { ScheduleKey } from '../schedules/schedule.js'

/** What a schedule does when something is due, or has ended. */
@Injectable()
export class ScheduleTurns {
  /** Does all that is due of one schedule at this moment: before a change of it, and after. In transactions of its own. */
  async take(_schedule: ScheduleKey): Promise<void> {}
}
