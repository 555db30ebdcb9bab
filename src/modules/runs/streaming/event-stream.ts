import { isLastEvent, type RunEvent } from './run-event.js'

/** Live events that wait for those before them. Beyond it they are read again once they are stored. */
const MAX_WAITING_EVENTS = 1000
/**
 * Longer than pieces of text are held back before they are stored. News of rows wait until live events have paused for this
 * long, so that a stream that hears everything at once reads nothing; a gap that the rows did not close is asked about again.
 */
const LIVE_PAUSE_MS = 300

/** A part of the log, read from the rows. */
export interface EventPage {
  /** In order, all after the event that was asked for. */
  readonly events: readonly RunEvent[]
  readonly hasMore: boolean
  /** The run has ended, and this is all. */
  readonly isOver: boolean
}

/** Where a stream gets its events from and where they go. */
export interface EventStreamEnds {
  /** The rows after this event. It may fail: the stream looks again when it is told to. */
  readonly read: (after: number) => Promise<EventPage>
  readonly isFull: () => boolean
  readonly send: (event: RunEvent) => void
  /** Called once, after the last event. */
  readonly onOver: () => void
}

/**
 * One reader's place in a run's log: every event once, in order, from whichever source has it first. Live events are sent
 * at once where they follow the last one; where something is missing between, the rows are read. The last event always
 * comes from the rows: it is true only when it is committed.
 */
export class EventStream {
  private readonly waiting: RunEvent[] = []
  private isOpen = false
  private isOver = false
  private isReading = false
  private mustRead = false
  /** The first waiting event, once the rows were asked about what comes before it. */
  private askedBefore: number | undefined
  private lastLiveAt = Number.NEGATIVE_INFINITY
  private pauseTimer: NodeJS.Timeout | undefined

  /** @param cursor number of the last event that the reader has */
  constructor(
    private cursor: number,
    private readonly ends: EventStreamEnds,
  ) {}

  /** Number of the last event that was sent. */
  get position(): number {
    return this.cursor
  }

  /** Begins to send, with what was read already. What came in before waits until here. */
  open(page: EventPage): void {
    this.isOpen = true
    this.deliver(page)
    this.flow()
    // Pieces that were told here before this stream was there, and were not stored when it read.
    if (!this.isOver) this.lookLater(LIVE_PAUSE_MS)
  }

  /** Whatever the feed tells. */
  take(events: readonly RunEvent[] | null): void {
    if (events === null) return this.lookAfterPause()
    this.lastLiveAt = performance.now()
    for (const event of events) {
      if (event.sequence > (this.waiting.at(-1)?.sequence ?? this.cursor)) this.waiting.push(event)
      if (isLastEvent(event)) this.mustRead = true
    }
    if (this.waiting.length > MAX_WAITING_EVENTS) {
      this.waiting.length = 0
      this.mustRead = true
    }
    this.flow()
  }

  /** The rows may have more. */
  look(): void {
    this.mustRead = true
    this.flow()
  }

  /** Goes on: also for when the reader has room again. */
  flow(): void {
    if (!this.isOpen || this.isOver || this.ends.isFull()) return
    this.sendWaiting()
    if (this.mustRead && !this.isReading && !this.ends.isFull()) void this.readRows()
  }

  close(): void {
    this.isOver = true
    clearTimeout(this.pauseTimer)
  }

  /** Of a stream that hears everything live, the rows can tell nothing new; in a gap they can. */
  private lookAfterPause(): void {
    const quietMs = performance.now() - this.lastLiveAt
    if (quietMs >= LIVE_PAUSE_MS || this.waiting.length > 0 || !this.isOpen) return this.look()
    this.lookLater(LIVE_PAUSE_MS - quietMs)
  }

  private lookLater(delayMs: number): void {
    this.pauseTimer ??= setTimeout(() => {
      this.pauseTimer = undefined
      if (!this.isOver) this.lookAfterPause()
    }, delayMs)
  }

  private sendWaiting(): void {
    const { waiting } = this
    while (waiting[0] !== undefined && waiting[0].sequence <= this.cursor) waiting.shift()
    while (waiting[0]?.sequence === this.cursor + 1 && !isLastEvent(waiting[0])) {
      if (this.ends.isFull()) return
      this.send(waiting.shift()!)
    }
    const [next] = waiting
    if (next === undefined || next.sequence === this.askedBefore) return
    this.askedBefore = next.sequence
    this.mustRead = true
  }

  private async readRows(): Promise<void> {
    this.isReading = true
    this.mustRead = false
    try {
      this.deliver(await this.ends.read(this.cursor))
      this.isReading = false
      this.flow()
      // What is stored on this replica is told live alone, and a reader who came in between has missed that.
      if (this.waiting.length > 0 && !this.isOver) this.lookLater(LIVE_PAUSE_MS)
    } catch {
      // Told by the source. Whoever looks next tries again.
      this.isReading = false
    }
  }

  private deliver({ events, hasMore, isOver }: EventPage): void {
    if (this.isOver) return
    for (const event of events) {
      if (event.sequence <= this.cursor) continue
      // The reader has enough for now: the rest is read again.
      if (this.ends.isFull()) return void (this.mustRead = true)
      this.send(event)
    }
    if (hasMore) this.mustRead = true
    if (!isOver) return
    this.close()
    this.ends.onOver()
  }

  private send(event: RunEvent): void {
    this.cursor = event.sequence
    this.ends.send(event)
  }
}
