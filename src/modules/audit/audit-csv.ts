import type { AuditEntry } from './audit-log.schemas.js'

const COLUMNS: readonly (readonly [name: string, read: (entry: AuditEntry) => string | number | null])[] = [
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
/** What a spreadsheet takes for the beginning of a formula, its full-width forms included (OWASP, "CSV Injection"). */
const FORMULA_START = /^\s*[=+\-@|＝＋－＠]|^[\t\r\n]/

export const AUDIT_CSV_HEADER = toLine(COLUMNS.map(([name]) => name))

/** One entry as a line of CSV (RFC 4180): every cell quoted, none that a spreadsheet would run. */
export function toCsvLine(entry: AuditEntry): string {
  return toLine(COLUMNS.map(([, read]) => read(entry)))
}

function toLine(cells: readonly (string | number | null)[]): string {
  return `${cells.map(toCell).join(',')}\r\n`
}

function toCell(value: string | number | null): string {
  const text = String(value ?? '')
  return `"${(FORMULA_START.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`
}
