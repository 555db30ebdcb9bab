/** A counting semaphore: `size` may be inside at once, the rest wait in the order in which they came. */
export class Slots {
  private readonly queue: ((isIn: boolean) => void)[] = []
  private used = 0
  private isClosed = false

  constructor(private readonly size: number) {}

  get free(): number {
    return this.size - this.used
  }

  get inUse(): number {
    return this.used
  }

  /** Whether one got in: nobody does once it is closed. */
  async take(): Promise<boolean> {
    if (this.isClosed) return false
    if (this.used < this.size) {
      this.used += 1
      return true
    }
    // The one who leaves hands his slot over: nobody can slip in between.
    return new Promise<boolean>((resolve) => this.queue.push(resolve))
  }

  /** Sends those who wait away, and all who come. Those inside stay until they leave. */
  close(): void {
    this.isClosed = true
    for (const resolve of this.queue.splice(0)) resolve(false)
  }

  leave(): void {
    const next = this.queue.shift()
    if (next) next(true)
    else this.used -= 1
  }
}
