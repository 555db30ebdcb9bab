import type { LightMyRequestResponse } from 'fastify'

/** What differs between any two requests, whatever they ask: their id, the time, what a limit has left. */
const OF_EACH_REQUEST = /^(x-request-id|date|.*ratelimit.*)$/

/** An answer as one who compares it with another sees it. */
export function comparable({ statusCode, headers, body }: LightMyRequestResponse): object {
  const kept = Object.entries(headers).filter(([name]) => !OF_EACH_REQUEST.test(name))
  return { statusCode, headers: Object.fromEntries(kept), body }
}
