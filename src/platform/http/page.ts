import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { invalidField } from '#kernel/app-error.js'

const MAX_PAGE_SIZE = 100
const DEFAULT_PAGE_SIZE = 20
/** Of a model's name, of 200 characters in UTF-8 at worst. */
const MAX_CURSOR_LENGTH = 1100

/** The two query parameters of every list. */
export const pageQueryShape = {
  limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE).describe('Page size.'),
  cursor: z.string().max(MAX_CURSOR_LENGTH).optional().describe('`nextCursor` of the page before.'),
}

/** One page of a list. Its order is that of a key that no two rows share, such as an id. */
export interface Page<T> {
  readonly data: T[]
  readonly nextCursor: string | null
}

export function pageSchema<T extends z.ZodType>(item: T) {
  return z.strictObject({ data: z.array(item), nextCursor: z.string().nullable() })
}

/** Makes a page of `limit` rows out of `limit + 1` that were read; `keyOf` gives what the list is ordered by. */
export function toPage<T>(rows: readonly T[], limit: number, keyOf: (row: T) => string): Page<T> {
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, nextCursor: rows.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null }
}

/**
 * The key that a page begins after.
 * @param isKey whether a text can be a key of this list.
 * @throws AppError `validation_failed` when the cursor is none of ours.
 */
export function decodeCursor(cursor: string, isKey: (key: string) => boolean): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8')
  if (encodeCursor(key) !== cursor || !isKey(key)) {
    throw invalidField('/cursor', 'Not a cursor of this list: use nextCursor as it was given.')
  }
  return key
}

function encodeCursor(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url')
}

/** Sets the `Link` header for the page after this one (RFC 8288), keeping the request's other parameters. */
export function sendNextLink(request: FastifyRequest, reply: FastifyReply, { nextCursor }: Page<unknown>): void {
  if (nextCursor !== null) void reply.header('Link', nextLink(request.url, nextCursor))
}

export function nextLink(requestUrl: string, nextCursor: string): string {
  const url = new URL(requestUrl, 'http://localhost')
  url.searchParams.set('cursor', nextCursor)
  return `<${url.pathname}${url.search}>; rel="next"`
}
