import { Injectable } from '@nestjs/common'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import type { RunEvent } from './run-event.js'
import { RunEventLog } from './run-event-log.service.js'
import type { RunLogEntry, RunLogsQuery } from './run-events.schemas.js'

/** A run's log in pages, for who polls. */
@Injectable()
export class RunLogs {
  constructor(private readonly log: RunEventLog) {}

  /** Oldest first. @throws AppError `not_found`, `validation_failed` for a cursor that is none of ours */
  async list(
    { tenantId }: Principal,
    runId: string,
    { limit, cursor, after = 0 }: RunLogsQuery,
  ): Promise<Page<RunLogEntry>> {
    const from = cursor === undefined ? after : Number(decodeCursor(cursor, isSequence))
    const entries = await this.log.page(tenantId, runId, { after: from, limit: limit + 1 })
    return toPage(entries.map(toLogEntry), limit, ({ sequence }) => String(sequence))
  }
}

function toLogEntry({ sequence, type, data, createdAt }: RunEvent): RunLogEntry {
  return { sequence, type, data, createdAt: createdAt.toISOString() }
}

function isSequence(key: string): boolean {
  return /^\d{1,15}$/.test(key)
}
