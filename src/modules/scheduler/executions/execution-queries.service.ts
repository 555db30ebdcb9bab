import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { parsePlaceKey, toPlaceKey } from '#kernel/time-place.js'
import { Database } from '#platform/database/database.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import type { ScheduleKey } from '../schedules/schedule.js'
import { noSuchExecution, noSuchSchedule } from '../scheduler.errors.js'
import { toExecution } from './execution-view.js'
import { ExecutionsRepository, type ListedExecutionRow } from './executions.repository.js'
import type { Execution, ExecutionListQuery } from './executions.schemas.js'

/** Shows what became of due times: the latest first, and stable while others are added. */
@Injectable()
export class ExecutionQueries {
  constructor(
    private readonly database: Database,
    private readonly executions: ExecutionsRepository,
  ) {}

  /** Of one schedule. @throws AppError `not_found`, the same for another tenant's */
  async listOf(schedule: ScheduleKey, query: ExecutionListQuery): Promise<Page<Execution>> {
    if (!isUuid(schedule.id)) throw noSuchSchedule()
    const { tenantId, id: scheduleId } = schedule
    const page = toPageQuery(query)
    const rows = await this.database.flight({ tenantId }, async (tx) => {
      const [found, listed] = await Promise.all([
        this.executions.findSchedule(schedule, tx),
        this.executions.list({ tenantId, scheduleId }, page, tx),
      ])
      return found && listed
    })
    if (!rows) throw noSuchSchedule()
    return toExecutionPage(rows, query.limit)
  }

  /** Of all schedules, those that are deleted included. */
  async listAll({ tenantId }: Principal, query: ExecutionListQuery): Promise<Page<Execution>> {
    const page = toPageQuery(query)
    const rows = await this.database.flight({ tenantId }, (tx) =>
      this.executions.list({ tenantId, scheduleId: null }, page, tx),
    )
    return toExecutionPage(rows, query.limit)
  }

  /** @throws AppError `not_found`, the same for another tenant's */
  async get(schedule: ScheduleKey, id: string): Promise<Execution> {
    const row = await this.executions.read(schedule, id)
    if (!row) throw noSuchExecution()
    return toExecution(row)
  }
}

function toPageQuery({ limit, cursor, ...filter }: ExecutionListQuery) {
  const key = cursor === undefined ? undefined : decodeCursor(cursor, (text) => parsePlaceKey(text) !== null)
  const after = key === undefined ? undefined : (parsePlaceKey(key) ?? undefined)
  return { filter, after, limit: limit + 1 }
}

function toExecutionPage(rows: readonly ListedExecutionRow[], limit: number): Page<Execution> {
  const { data, nextCursor } = toPage(rows, limit, ({ dueAtExact, id }) => toPlaceKey({ at: dueAtExact, id }))
  return { data: data.map(toExecution), nextCursor }
}
