import { Injectable } from '@nestjs/common'
import { parsePlaceKey, toPlaceKey } from '#kernel/time-place.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { CostEntriesRepository } from './cost-entries.repository.js'
import type { CostEntry, CostEntryListQuery } from './cost-entries.schemas.js'
import { placeOf, toEntry } from './cost-entry-view.js'

/** Lists booked model calls. */
@Injectable()
export class CostEntries {
  constructor(private readonly entries: CostEntriesRepository) {}

  /** Newest first, and stable while entries are booked. */
  async list({ tenantId }: Principal, { limit, cursor, ...filter }: CostEntryListQuery): Promise<Page<CostEntry>> {
    const key = cursor === undefined ? undefined : decodeCursor(cursor, (text) => parsePlaceKey(text) !== null)
    const after = key === undefined ? undefined : (parsePlaceKey(key) ?? undefined)
    const rows = await this.entries.list({
      tenantId,
      filter,
      order: 'newest first',
      after,
      limit: limit + 1,
      pool: 'requests',
    })
    const { data, nextCursor } = toPage(rows, limit, (row) => toPlaceKey(placeOf(row)))
    return { data: data.map(toEntry), nextCursor }
  }
}
