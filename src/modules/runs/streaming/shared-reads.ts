/**
 * Does once what is asked for many times at one moment: a hundred readers of one run hear the same news in one turn of the
 * event loop. Nobody joins a read that has begun: it might not see what he was told of.
 */
export class SharedReads<T> {
  private readonly pending = new Map<string, Promise<T>>()

  read(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.pending.get(key)
    if (known) return known
    const reading = Promise.resolve().then(() => {
      this.pending.delete(key)
      return load()
    })
    this.pending.set(key, reading)
    return reading
  }
}
