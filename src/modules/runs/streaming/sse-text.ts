import type { RunEvent } from './run-event.js'

/** How long a client that was cut off waits before it comes back. */
const RETRY_MS = 1000

/** The first line of a stream. */
export const SSE_RETRY = `retry: ${RETRY_MS}\n\n`
/** Says that somebody is still there, and nothing else. */
export const SSE_COMMENT = ':\n\n'

const texts = new WeakMap<RunEvent, string>()

/** One event as it goes out (WHATWG HTML, "Server-sent events"). JSON has no line breaks of its own. */
export function toSseText(event: RunEvent): string {
  const known = texts.get(event)
  if (known !== undefined) return known
  const { sequence, type, data } = event
  const text = `id: ${sequence}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
  // All who read the run on this replica are sent the same object.
  texts.set(event, text)
  return text
}
