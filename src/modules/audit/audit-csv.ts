import { type CsvCell, toCsvLine as toLine } from '#kernel/csv.js'
import type { AuditEntry } from './audit-log.schemas.js'

const COLUMNS: readonly (readonly [name: string, read: (entry: AuditEntry) => CsvCell])[] = [
  ['sequence', (entry) => entry.sequence],
  ['id', (entry) => entry.id],
  ['occurredAt', (entry) => entry.occurredAt],
  ['actorType', (entry) => entry.actor.type],
  ['actorId', (entry) => entry.actor.id],
  ['action', (entry) => entry.action],
  ['resourceType', (entry) => entry.resource.type],
  ['resourceId', (entry) => entry.resource.id],
  ['before', (entry) => entry.before && JSON.stringify(entry.before)],
  ['after', (entry) => entry.after && JSON.stringify(entry.after)],
  ['address', (entry) => entry.address],
  ['requestId', (entry) => entry.requestId],
  ['hash', (entry) => entry.hash],
]
export const AUDIT_CSV_HEADER = toLine(COLUMNS.map(([name]) => name))

/** One entry as a line of CSV. */
export function toCsvLine(entry: AuditEntry): string {
  return toLine(COLUMNS.map(([, read]) => read(entry)))
}
