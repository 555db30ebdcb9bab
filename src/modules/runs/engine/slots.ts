/** A counting semaphore: `size` may be inside at once, the rest wait in the order in which they came. */
export class Slots {
  private readonly queue: (() => void)[] = []
  private used = 0

  constructor(private readonly size: number) {}

  get free(): number {
    return this.size - this.used
  }

  get inUse(): number {
    return this.used
  }

  async take(): Promise<void> {
    if (this.used < this.size) {
      this.used += 1
      return
    }
    // The one who leaves hands his slot over: nobody can slip in between.
    await new Promise<void>((resolve) => this.queue.push(resolve))
  }

  leave(): void {
    const next = this.queue.shift()
    if (next) next()
    else this.used -= 1
  }
}
