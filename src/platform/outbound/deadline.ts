import { timedOut } from './outbound-errors.js'

/** The longest that one exchange may take, from the name's look-up to the body's last byte; or until its caller gives up. */
export class Deadline implements Disposable {
  /** Aborted with `outbound_timeout`, or with the caller's own reason. */
  readonly signal: AbortSignal
  private readonly timer: NodeJS.Timeout

  constructor(timeoutMs: number, caller?: AbortSignal | null) {
    const controller = new AbortController()
    this.timer = setTimeout(() => controller.abort(timedOut(timeoutMs)), timeoutMs).unref()
    this.signal = caller ? AbortSignal.any([controller.signal, caller]) : controller.signal
  }

  /** Waits no longer than this: a request that has no connection yet notices no signal. @throws the signal's reason */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this
    const { promise: end, reject } = Promise.withResolvers<never>()
    const giveUp = (): void => reject(signal.reason)
    signal.addEventListener('abort', giveUp)
    try {
      if (signal.aborted) giveUp()
      return await Promise.race([work, end])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer)
  }
}
