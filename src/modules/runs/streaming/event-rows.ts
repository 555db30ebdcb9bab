import type { RunEvent, RunEventType } from './run-event.js'
import type { EventRow } from './run-events.repository.js'

/** Where several pieces of text share a row. Every other row is one event as it stands. */
interface SharedText {
  readonly texts: readonly string[]
}

/**
 * The events of one row that come after the event `after`. A row of n pieces of text ends with the number of the last, and
 * its pieces have consecutive numbers: whoever has heard half of them hears the other half.
 */
export function expandRow(row: EventRow, after: number): RunEvent[] {
  const { sequence, data, createdAt } = row
  const type = row.type as RunEventType
  if (!isSharedText(type, data)) return sequence > after ? [{ sequence, type, data, createdAt }] : []
  const { texts, ...rest } = data
  const first = sequence - texts.length + 1
  return texts
    .map((text, index): RunEvent => ({ sequence: first + index, type, data: { text, ...rest }, createdAt }))
    .filter((event) => event.sequence > after)
}

/** The same part of a row as one event, for who reads the log in pages; null: nothing of it comes after `after`. */
export function joinRow(row: EventRow, after: number): RunEvent | null {
  const events = expandRow(row, after)
  const last = events.at(-1)
  if (last === undefined || events.length === 1) return last ?? null
  return { ...last, data: { ...last.data, text: events.map(({ data }) => String(data['text'])).join('') } }
}

function isSharedText(type: RunEventType, data: EventRow['data']): data is EventRow['data'] & SharedText {
  return type === 'output.delta' && Array.isArray(data['texts'])
}
