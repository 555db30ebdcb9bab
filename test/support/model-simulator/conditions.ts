const DEFAULT_TIMEOUT_MS = 10_000

/** Lets tests wait for something to become true without polling: whoever changes the state calls `check()`. */
export class Conditions {
  readonly #checks = new Set<() => void>()

  check(): void {
    for (const check of this.#checks) check()
  }

  /** @throws Error with what `describe` says when `isMet` stays false. */
  async until(isMet: () => boolean, describe: () => string, timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<void> {
    if (isMet()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => {
      if (isMet()) resolve()
    }
    const timer = setTimeout(() => reject(new Error(`${describe()} after ${timeoutMs} ms`)), timeoutMs)
    this.#checks.add(check)
    await promise.finally(() => {
      clearTimeout(timer)
      this.#checks.delete(check)
    })
  }
}
