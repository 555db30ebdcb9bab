import { createParser, type EventSourceMessage } from 'eventsource-parser'

const WAIT_LIMIT_MS = 10_000

interface ReaderOptions {
  readonly token: string
  readonly lastEventId?: number | string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: object
}

/** One event as a client sees it, its data parsed. */
export interface ReceivedEvent {
  readonly id: number
  readonly type: string
  readonly data: Record<string, unknown>
}

/** A client on a real socket that reads an event stream as browsers do. */
export class EventReader implements AsyncDisposable {
  readonly events: ReceivedEvent[] = []
  readonly comments: string[] = []
  retryMs: number | undefined
  /** Resolves when the server has ended the stream; `whole` is false when it was cut off. */
  readonly ended: Promise<{ whole: boolean }>
  private readonly waiting = new Set<() => void>()

  private constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {
    this.ended = this.read()
  }

  static async open(
    url: string,
    { token, lastEventId, method = 'GET', headers = {}, body }: ReaderOptions,
  ): Promise<EventReader> {
    const abort = new AbortController()
    const response = await fetch(url, {
      method,
      signal: abort.signal,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${token}`,
        ...(lastEventId !== undefined && { 'last-event-id': String(lastEventId) }),
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    return new EventReader(response, abort)
  }

  get ids(): number[] {
    return this.events.map(({ id }) => id)
  }

  /** What was said so far. */
  get text(): string {
    return this.events
      .filter(({ type }) => type === 'output.delta')
      .map(({ data }) => String(data['text']))
      .join('')
  }

  /** @throws Error when it is not so within ten seconds */
  async until(isMet: (reader: this) => boolean): Promise<void> {
    const deadline = Date.now() + WAIT_LIMIT_MS
    while (!isMet(this)) {
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw new Error(`waited in vain; so far: ${JSON.stringify(this.events.slice(-20))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        const wake = (): void => {
          clearTimeout(timer)
          this.waiting.delete(wake)
          resolve()
        }
        this.waiting.add(wake)
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort()
    await this.ended
  }

  private async read(): Promise<{ whole: boolean }> {
    const parser = createParser({
      onEvent: (event) => this.events.push(toReceived(event)),
      onComment: (comment) => this.comments.push(comment),
      onRetry: (retryMs) => (this.retryMs = retryMs),
    })
    try {
      const decoder = new TextDecoder()
      for await (const chunk of this.response.body ?? []) {
        parser.feed(decoder.decode(chunk, { stream: true }))
        for (const wake of this.waiting) wake()
      }
      return { whole: true }
    } catch {
      return { whole: false }
    } finally {
      for (const wake of this.waiting) wake()
    }
  }
}

function toReceived({ id, event, data }: EventSourceMessage): ReceivedEvent {
  return { id: Number(id), type: event ?? 'message', data: JSON.parse(data) }
}
