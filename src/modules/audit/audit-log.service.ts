import { Readable } from 'node:stream'
import { Injectable } from '@nestjs/common'
import { Database } from '#platform/database/database.js'
import { EventBus } from '#platform/events/event-bus.js'
import { decodeCursor, type Page, toPage } from '#platform/http/page.js'
import type { Principal } from '#platform/http/principal.js'
import { AUDIT_CSV_HEADER, toCsvLine } from './audit-csv.js'
import { type AuditCriteria, AuditLogRepository, type AuditPosition } from './audit-log.repository.js'
import { type AuditEntry, type AuditFilter, type AuditListQuery, isActorType } from './audit-log.schemas.js'
import { AuditLogExported } from './audit.events.js'
import { foldText } from './search-text.js'

/** Held in memory at once by an export: some 7 MB if all of them are as large as they can be. */
const EXPORT_BATCH_SIZE = 200
/** Eighteen digits always fit a bigint. */
const SEQUENCE_PATTERN = /^[1-9]\d{0,17}$/

const FORMATS = {
  ndjson: { header: '', toLine: (entry: AuditEntry) => `${JSON.stringify(entry)}\n` },
  csv: { header: AUDIT_CSV_HEADER, toLine: toCsvLine },
}

/** Lists and exports what has happened in a tenant. */
@Injectable()
export class AuditLogService {
  constructor(
    private readonly database: Database,
    private readonly log: AuditLogRepository,
    private readonly events: EventBus,
  ) {}

  /** Newest first, and stable while entries are added: sequences only grow. */
  async list({ tenantId }: Principal, { limit, cursor, ...filter }: AuditListQuery): Promise<Page<AuditEntry>> {
    const below = cursor === undefined ? undefined : decodeCursor(cursor, (key) => SEQUENCE_PATTERN.test(key))
    const entries = await this.read(tenantId, filter, { below, limit: limit + 1 })
    return toPage(entries, limit, (entry) => String(entry.sequence))
  }

  /**
   * All that match, newest first, read as fast as the client takes it. No connection is held between batches. The first one is
   * read before this resolves, so that what fails at once is still a problem; what fails later breaks the download off.
   * It is an entry itself, written first: nobody takes the log away unseen.
   */
  async export({ tenantId }: Principal, filter: AuditFilter, format: keyof typeof FORMATS): Promise<Readable> {
    const read = (below: string | undefined): Promise<AuditEntry[]> =>
      this.read(tenantId, filter, { below, limit: EXPORT_BATCH_SIZE })
    const { header, toLine } = FORMATS[format]
    await this.database.transaction({ tenantId }, (tx) =>
      this.events.emit(new AuditLogExported(tenantId, format, filter), tx),
    )
    return Readable.from(writeLines(await read(undefined), { read, header, toLine }))
  }

  private read(tenantId: string, { q, ...filter }: AuditFilter, position: AuditPosition): Promise<AuditEntry[]> {
    const criteria = toCriteria(filter)
    if (q === undefined) return this.log.list({ tenantId }, criteria, position)
    const search = { ...criteria, tenantId, words: foldText(q) }
    return this.database.transaction({ tenantId }, (tx) => this.log.search(search, position, tx))
  }
}

interface LineWriter {
  readonly read: (below: string) => Promise<AuditEntry[]>
  readonly header: string
  readonly toLine: (entry: AuditEntry) => string
}

async function* writeLines(first: AuditEntry[], { read, header, toLine }: LineWriter): AsyncGenerator<string> {
  if (header !== '') yield header
  let batch = first
  while (true) {
    const last = batch.at(-1)
    if (last) yield batch.map(toLine).join('')
    if (!last || batch.length < EXPORT_BATCH_SIZE) return
    batch = await read(String(last.sequence))
  }
}

function toCriteria({ actor, action, resource, from, to }: Omit<AuditFilter, 'q'>): AuditCriteria {
  const isType = actor !== undefined && isActorType(actor)
  const slash = resource?.indexOf('/') ?? -1
  return {
    actorType: isType ? actor : undefined,
    actorId: isType ? undefined : actor,
    action,
    resourceType: slash < 0 ? resource : resource?.slice(0, slash),
    resourceId: slash < 0 ? undefined : resource?.slice(slash + 1),
    // PostgreSQL knows no year 0 and no offset of 16 hours or more, which ISO 8601 does.
    from: from === undefined ? undefined : new Date(from),
    to: to === undefined ? undefined : new Date(to),
  }
}
