import type { FastifyReply } from 'fastify'
import type { Answer } from './claim.js'

const JSON_CONTENT_TYPE = 'application/json; charset=utf-8'
/** The headers of an answer that are the route's own; the others are made anew for each response. */
const KEPT_HEADERS = ['location', 'preference-applied', 'link'] as const

/** An answer as it goes out; undefined: without a body. */
export function toJsonAnswer(status: number, body: unknown, headers: Record<string, string>): Answer {
  if (body === undefined) return { status, headers, body: null }
  return {
    status,
    headers: { ...headers, 'content-type': JSON_CONTENT_TYPE },
    body: Buffer.from(JSON.stringify(body)),
  }
}

/** The headers that a handler has set and a replay sets again. */
export function keptHeaders(reply: FastifyReply): Record<string, string> {
  const headers = KEPT_HEADERS.map((name) => [name, reply.getHeader(name)] as const)
  return Object.fromEntries(
    headers.filter((header): header is [(typeof header)[0], string] => typeof header[1] === 'string'),
  )
}

/** Sets status and headers. @returns the body, for Nest to send */
export function sendAnswer(reply: FastifyReply, { status, headers, body }: Answer): string | undefined {
  void reply.status(status).headers(headers)
  return body?.toString('utf8')
}
