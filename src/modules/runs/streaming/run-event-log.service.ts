import { Injectable } from '@nestjs/common'
import { AppError } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'
import { isFinished } from '../run-status.js'
import { toRun } from '../run-view.js'
import { RunsRepository } from '../runs.repository.js'
import { expandRow, joinRow } from './event-rows.js'
import type { EventPage } from './event-stream.js'
import { isLastEvent, type RunEvent } from './run-event.js'
import { type EventRow, type EventRows, RunEventsRepository } from './run-events.repository.js'
import { SharedReads } from './shared-reads.js'

/** A row holds up to about 2 KB of text, or what a tool was asked or answered. */
const ROWS_PER_READ = 100

/** Reads the one log that a run has, for streams and for pages. */
@Injectable()
export class RunEventLog {
  private readonly reads = new SharedReads<EventPage>()

  constructor(
    private readonly events: RunEventsRepository,
    private readonly runs: RunsRepository,
  ) {}

  /**
   * The next events after `after`; the last of a run carries the whole run.
   * @throws AppError `not_found`, the same for another tenant's run as for one that never was
   */
  read(tenantId: string, runId: string, after: number): Promise<EventPage> {
    return this.reads.read(`${tenantId} ${runId} ${after}`, () => this.load(tenantId, runId, after))
  }

  /**
   * Up to `limit` entries after the event `after`; pieces of text that were stored together are one.
   * @throws AppError `not_found`
   */
  async page(tenantId: string, runId: string, { after, limit }: { after: number; limit: number }): Promise<RunEvent[]> {
    const { rows } = await this.list(tenantId, runId, { after, limit })
    return rows.map((row) => joinRow(row, after)).filter((entry) => entry !== null)
  }

  private async load(tenantId: string, runId: string, after: number): Promise<EventPage> {
    const stored = await this.list(tenantId, runId, { after, limit: ROWS_PER_READ })
    const hasMore = stored.rows.length === ROWS_PER_READ
    const events = stored.rows.flatMap((row) => expandRow(row, after))
    const last = events.at(-1)
    if (last && isLastEvent(last)) events.splice(-1, 1, await this.withRun(tenantId, runId, last))
    return { events, hasMore, isOver: isFinished(stored.status) && !hasMore }
  }

  private async list(tenantId: string, runId: string, part: { after: number; limit: number }): Promise<EventRows> {
    const stored = isUuid(runId) ? await this.events.list({ tenantId }, runId, part) : null
    if (!stored) throw new AppError('not_found', 'not_found', { detail: 'There is no such run.' })
    const end = stored.rows.length === 0 && part.after === 0 ? endWithoutLog(stored) : null
    return end ? { ...stored, rows: [end] } : stored
  }

  private async withRun(tenantId: string, runId: string, last: RunEvent): Promise<RunEvent> {
    const row = await this.runs.find({ tenantId }, runId)
    return row ? { ...last, data: { ...last.data, run: toRun(row) } } : last
  }
}

/** A run of before there was a log: all that is known is how it ended. Its readers wait for nothing else. */
function endWithoutLog({ status, lastEvent, finishedAt }: EventRows): EventRow | null {
  if (!isFinished(status) || lastEvent > 0 || finishedAt === null) return null
  return { sequence: 1, type: `run.${status}`, data: {}, createdAt: finishedAt }
}
