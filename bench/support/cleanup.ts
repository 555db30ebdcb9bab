const held = new Set<AsyncDisposable>()

/**
 * Ties `release` to `value`: it runs once, when the holder's `await using` scope ends or when the bench is interrupted,
 * whichever comes first.
 */
export function releasable<T extends object>(value: T, release: () => Promise<void>): T & AsyncDisposable {
  let released: Promise<void> | undefined
  const resource = Object.assign(value, {
    [Symbol.asyncDispose]: () => {
      held.delete(resource)
      released ??= release()
      return released
    },
  })
  held.add(resource)
  return resource
}

/** Releases what is still held, the newest first: a database outlives its clients. */
export async function releaseAll(): Promise<void> {
  for (const resource of [...held].reverse()) {
    try {
      await resource[Symbol.asyncDispose]()
    } catch (error) {
      console.error('cleanup failed:', error)
    }
  }
}
