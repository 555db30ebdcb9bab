import { z } from 'zod'
import { invalidField } from '#kernel/app-error.js'
import { isUuid } from '#kernel/ids.js'

const MAX_PAGE_SIZE = 100
const DEFAULT_PAGE_SIZE = 20
const UUID_BYTES = 16

/** The two query parameters of every list. */
export const pageQueryShape = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE).describe('Page size.'),
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
}

/** One page of a list that is ordered by descending id. */
export interface Page<T> {
  readonly data: T[]
  readonly nextCursor: string | null
}

export function pageSchema<T extends z.ZodType>(item: T) {
  return z.strictObject({ data: z.array(item), nextCursor: z.string().nullable() })
}

/** Makes a page of `limit` rows out of `limit + 1` that were read. */
export function toPage<T extends { readonly id: string }>(rows: readonly T[], limit: number): Page<T> {
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, nextCursor: rows.length > limit && last ? encodeCursor(last.id) : null }
}

/** The id that a page begins after. @throws AppError `validation_failed` when the cursor is none of ours. */
export function decodeCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  const hex = bytes.toString('hex')
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  if (bytes.length !== UUID_BYTES || !isUuid(id) || encodeCursor(id) !== cursor) {
    throw invalidField('/cursor', 'Not a cursor of this list: use nextCursor as it was given.')
  }
  return id
}

function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')
}

/** The `Link` header for the page after this one (RFC 8288), keeping the request's other parameters. */
export function nextLink(requestUrl: string, nextCursor: string): string {
  const url = new URL(requestUrl, 'http://localhost')
  url.searchParams.set('cursor', nextCursor)
  return `<${url.pathname}${url.search}>; rel="next"`
}
