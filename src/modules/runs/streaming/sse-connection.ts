import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { SSE_COMMENT, SSE_RETRY } from './sse-text.js'

const OK = 200
/** More than Node's own mark, so that a connection above it always tells when it has drained. */
export const MAX_UNSENT_BYTES = 128 * 1024

/** One reader's connection. What he does not take piles up to {@link MAX_UNSENT_BYTES} and one event more, then he waits. */
export class SseConnection {
  private wasFull = false

  constructor(private readonly response: ServerResponse) {}

  /** Nothing more may be sent until `onDrained`. */
  get isFull(): boolean {
    return this.response.writableLength >= MAX_UNSENT_BYTES
  }

  /** The reader has hung up. */
  get isClosed(): boolean {
    return this.response.destroyed || this.response.writableEnded
  }

  open(headers: OutgoingHttpHeaders, { onDrained, onClosed }: { onDrained: () => void; onClosed: () => void }): void {
    this.response.on('drain', () => {
      this.wasFull = false
      onDrained()
    })
    this.response.on('close', onClosed)
    // What a peer that is gone makes of our bytes is told by `close`.
    this.response.on('error', () => undefined)
    this.response.writeHead(OK, headers)
    this.send(SSE_RETRY)
  }

  send(text: string): void {
    this.response.write(text)
  }

  /**
   * A sign of life; a peer that is gone refuses it. Who has taken nothing since the one before, and is full, is cut off:
   * he resumes after the last event that reached him whole.
   */
  beat(): void {
    const { isFull, wasFull } = this
    this.wasFull = isFull
    if (!isFull) this.send(SSE_COMMENT)
    else if (wasFull) this.response.destroy()
  }

  /** Ends after what was sent; at once for a reader who does not take it. */
  end(): void {
    if (this.isFull) this.response.destroy()
    else this.response.end()
  }
}
