import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { type EventPage, EventStream } from './event-stream.js'
import type { RunEvent } from './run-event.js'
import { SseConnection } from './sse-connection.js'
import { toSseText } from './sse-text.js'

/** A check that fails says nothing about the reader; a second in a row ends his stream all the same. */
const MAX_FAILED_CHECKS = 2

export interface OpenRunStreamOptions {
  readonly tenantId: string
  readonly runId: string
  /** Number of the last event that the reader has. */
  readonly after: number
  readonly response: ServerResponse
  /** Between two signs of life, and two looks at whether the reader may go on. */
  readonly heartbeatMs: number
  readonly read: (after: number) => Promise<EventPage>
  readonly mayGoOn: () => Promise<boolean>
  /** Told what kept an event from being sent; the stream has then ended. */
  readonly onBroken: (error: unknown) => void
}

/** A reader on one connection, from his first event until either side ends it. */
export class OpenRunStream {
  readonly tenantId: string
  readonly runId: string
  readonly events: EventStream
  /** What to undo when it is closed. */
  readonly held = new DisposableStack()
  private readonly connection: SseConnection
  private isStarted = false
  private failedChecks = 0

  constructor(private readonly options: OpenRunStreamOptions) {
    this.tenantId = options.tenantId
    this.runId = options.runId
    this.connection = new SseConnection(options.response)
    this.events = new EventStream(options.after, {
      read: options.read,
      isFull: () => this.held.disposed || this.connection.isFull,
      send: (event) => this.send(event),
      onOver: () => this.end(),
    })
    this.held.defer(() => this.events.close())
  }

  start(headers: OutgoingHttpHeaders, firstPage: EventPage): void {
    if (this.connection.isClosed) return this.close()
    this.isStarted = true
    this.connection.open(headers, { onDrained: () => this.events.flow(), onClosed: () => this.close() })
    const timer = setInterval(() => void this.beat(), this.options.heartbeatMs)
    this.held.defer(() => clearInterval(timer))
    this.events.open(firstPage)
  }

  /** Ends after the last event that was sent whole: the reader can resume. Before the start the connection is not ours to end. */
  end(): void {
    this.close()
    if (this.isStarted) this.connection.end()
  }

  /** Lets go of everything but the connection. */
  close(): void {
    this.held.dispose()
  }

  /** Never throws into whoever published the event: the others who follow the run would not hear of it. */
  private send(event: RunEvent): void {
    try {
      this.connection.send(toSseText(event))
    } catch (error) {
      this.options.onBroken(error)
      this.end()
    }
  }

  private async beat(): Promise<void> {
    this.connection.beat()
    const mayGoOn = await this.options.mayGoOn().then(
      (isAllowed) => {
        this.failedChecks = 0
        return isAllowed
      },
      () => ++this.failedChecks < MAX_FAILED_CHECKS,
    )
    if (!mayGoOn && !this.held.disposed) this.end()
  }
}
