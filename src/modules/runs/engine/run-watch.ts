import type { RunEnding } from './run-ending.js'

/** Look at the row now and then even if nobody calls: a lost notification must not cost the whole wait. */
const RECHECK_MS = 5000

/** One request's wait for one run. */
export class RunWatch implements Disposable {
  /** How the run ended, when it did so on this replica. */
  ending: RunEnding | null = null
  private readonly deadline: number
  private signal = Promise.withResolvers<void>()
  private ended: boolean

  constructor(
    timeoutMs: number,
    private readonly onDispose: () => void,
  ) {
    this.deadline = Date.now() + timeoutMs
    this.ended = timeoutMs <= 0
  }

  /** Whether there is no time left to wait. */
  get isOver(): boolean {
    return this.ended || Date.now() >= this.deadline
  }

  /** Resolves when the run may have ended; at once when time is up. */
  async next(): Promise<void> {
    if (this.isOver) return
    const timer = setTimeout(() => this.wake(), Math.min(RECHECK_MS, this.deadline - Date.now()))
    await this.signal.promise
    clearTimeout(timer)
    this.signal = Promise.withResolvers<void>()
  }

  wake(): void {
    this.signal.resolve()
  }

  /** Ends the wait before its time. */
  end(): void {
    this.ended = true
    this.wake()
  }

  [Symbol.dispose](): void {
    this.onDispose()
  }
}
