import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * Does once what is asked for many times at one moment: a hundred readers of one run hear the same news in one turn of the
 * event loop. Nobody joins a read that has begun: it might not see what he was told of.
 */
export class SharedReads<T> {
  private readonly pending = new Map<string, Promise<T>>()
  /** What is read for many is nobody's request: it must not count, nor log, as that of the one who happened to ask first. */
  private readonly outsideRequests = AsyncLocalStorage.snapshot()

  read(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.pending.get(key)
    if (known) return known
    const reading = this.outsideRequests(async () => {
      await Promise.resolve()
      this.pending.delete(key)
      return load()
    })
    this.pending.set(key, reading)
    return reading
  }
}
