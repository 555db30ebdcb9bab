import type { Readable } from 'node:stream'
import { Injectable } from '@nestjs/common'
import { PinoLogger } from 'nestjs-pino'
import { Clock } from '#kernel/clock.js'
import type { Principal } from '#platform/http/principal.js'
import { COST_CSV_HEADER, toCostCsvLine } from './cost-csv.js'
import { CostEntriesRepository } from './cost-entries.repository.js'
import type { CostEntry, CostEntryFilter } from './cost-entries.schemas.js'
import { type CostEntryRow, placeOf, toEntry } from './cost-entry-view.js'
import { ExportPlaces } from './export-places.service.js'
import { toPagedStream } from './paged-stream.js'

/** Few enough to be young garbage once they are taken: 150 000 entries in pages of 1000 took 140 MB in place of 15. */
export const ROWS_PER_PAGE = 100
/** A client that takes nothing for so long is gone, or may as well be. */
const STALL_MS = 60_000

const FORMATS = {
  csv: { header: COST_CSV_HEADER, toLine: toCostCsvLine },
  ndjson: { header: '', toLine: (entry: CostEntry) => `${JSON.stringify(entry)}\n` },
}

/** Hands out all entries at once. */
@Injectable()
export class CostExports {
  constructor(
    private readonly entries: CostEntriesRepository,
    private readonly places: ExportPlaces,
    private readonly clock: Clock,
    private readonly logger: PinoLogger,
  ) {
    logger.setContext(CostExports.name)
  }

  /**
   * All that match and were booked by now, oldest first, read as fast as the client takes it; no connection is held between pages.
   * The first page is read before this resolves, so that what fails at once is still a problem; what fails later breaks the
   * download off.
   * @throws AppError `rate_limited`, `unavailable`
   */
  async open({ tenantId }: Principal, query: CostEntryFilter, format: keyof typeof FORMATS): Promise<Readable> {
    const place = this.places.take(tenantId)
    const filter = { ...query, to: earlierOf(this.clock.now(), query.to) }
    const { header, toLine } = FORMATS[format]
    const read = (row?: CostEntryRow): Promise<CostEntryRow[]> =>
      this.entries.list({
        tenantId,
        filter,
        order: 'oldest first',
        after: row && placeOf(row),
        limit: ROWS_PER_PAGE,
        // It goes on for minutes: requests are not to wait behind it.
        pool: 'workers',
      })
    const first = await read().catch((error: unknown) => {
      place.leave()
      throw error
    })
    const stream = toPagedStream({
      first,
      pageSize: ROWS_PER_PAGE,
      readAfter: read,
      header,
      toLine: (row) => toLine(toEntry(row)),
      signal: place.signal,
      stallMs: STALL_MS,
    })
    stream.on('error', (error) => this.logger.warn({ err: error, event: 'cost_export_broken' }, 'cost_export_broken'))
    return stream.once('close', () => place.leave())
  }
}

function earlierOf(now: Date, to: string | undefined): string {
  return to !== undefined && new Date(to) < now ? to : now.toISOString()
}
