import { Injectable } from '@nestjs/common'
import { isUuid } from '#kernel/ids.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { toRunSummary } from './run-view.js'
import { RunsRepository } from './runs.repository.js'
import type { RunFilter, RunListQuery, RunSummary } from './runs.schemas.js'

/** Lists and counts runs. */
@Injectable()
export class RunQueries {
  constructor(private readonly runs: RunsRepository) {}

  /** Newest first, and stable while runs are added: ids grow with time. */
  async list({ tenantId }: Principal, { limit, cursor, ...filter }: RunListQuery): Promise<Page<RunSummary>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid)
    const rows = await this.runs.list({ tenantId }, filter, { after, limit: limit + 1 })
    return toPage(rows.map(toRunSummary), limit, (run) => run.id)
  }

  async count({ tenantId }: Principal, filter: RunFilter): Promise<number> {
    return this.runs.count({ tenantId }, filter)
  }
}
