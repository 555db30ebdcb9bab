import { createParser, type EventSourceMessage } from 'eventsource-parser'

const TIMEOUT_MS = 60_000

export interface StreamedEvent {
  readonly sequence: number
  readonly type: string
  readonly data: unknown
  /** Milliseconds since the epoch, with their fraction. */
  readonly receivedAt: number
}

/** A run's events as they come in; the connection ends with the iteration. @throws when the answer is not an event stream */
export async function* readEvents(url: string, init: RequestInit): AsyncGenerator<StreamedEvent> {
  const dropped = new AbortController()
  const signal = AbortSignal.any([dropped.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const response = await fetch(url, { ...init, signal })
  if (response.status !== 200 || !response.body) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  const messages: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (message) => messages.push(message) })
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const receivedAt = performance.timeOrigin + performance.now()
      parser.feed(chunk)
      for (const { id, event, data } of messages.splice(0)) {
        yield { sequence: Number(id), type: event ?? '', data: JSON.parse(data), receivedAt }
      }
    }
  } finally {
    dropped.abort()
  }
}
