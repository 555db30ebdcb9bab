import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { noSuchSchedule } from '../scheduler.errors.js'
import { toSchedule, toSummary } from './schedule-view.js'
import { SchedulesRepository } from './schedules.repository.js'
import type { Schedule, ScheduleListQuery, ScheduleSummary } from './schedules.schemas.js'

/** A tenant's schedules, for those who look at them. */
@Injectable()
export class Schedules {
  constructor(private readonly repository: SchedulesRepository) {}

  /** Newest first, and stable while schedules are added: ids grow with time. */
  async list(
    { tenantId }: Principal,
    { limit, cursor, active, ...filter }: ScheduleListQuery,
  ): Promise<Page<ScheduleSummary>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const isActive = active === undefined ? undefined : active === 'true'
    const rows = await this.repository.list(tenantId, { ...filter, isActive }, { after, limit: limit + 1 })
    return toPage(rows.map(toSummary), limit, ({ id }) => id)
  }

  /** @throws AppError `not_found` */
  async get({ tenantId }: Principal, id: string): Promise<Schedule> {
    const row = await this.repository.readRow({ tenantId, id })
    if (!row) throw noSuchSchedule()
    return toSchedule(row)
  }
}
