import { Injectable } from '@nestjs/common'
import { invalidField } from '#kernel/app-error.js'
import { Database } from '#platform/database/database.js'
import type { Principal } from '#platform/http/principal.js'
import { type Timing, timesBetween } from '../timing/timing.js'
import { findTimingProblem } from '../timing/timing-problem.js'
import type { PreviewCommand, SchedulePreview } from './schedule-previews.schemas.js'
import { SchedulesRepository } from './schedules.repository.js'

/** How often a schedule may be due is asked when there is to be one. */
const ANY_INTERVAL_SECONDS = 0
/** The last that a timestamp of the contract can say. */
const LATEST = new Date('9999-12-31T23:59:59.999Z')

/** Shows when a pattern would be due. */
@Injectable()
export class SchedulePreviews {
  constructor(
    private readonly database: Database,
    private readonly repository: SchedulesRepository,
  ) {}

  /** @throws AppError `validation_failed` */
  async preview({ tenantId }: Principal, { cron, timezone, from, count }: PreviewCommand): Promise<SchedulePreview> {
    const timing: Timing = { kind: 'cron', cron, timezone }
    const now = await this.database.flight({ tenantId }, (tx) => this.repository.readClock(tx))
    const problem = findTimingProblem(timing, { now, minIntervalSeconds: ANY_INTERVAL_SECONDS })
    if (problem) throw invalidField(`/${problem.field}`, problem.detail)
    const after = from === undefined ? now : new Date(from)
    const times = timesBetween(timing, { after, until: LATEST, limit: count })
    return { data: times.map((time) => time.toISOString()) }
  }
}
