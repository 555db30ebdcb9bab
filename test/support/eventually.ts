import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 10
const LIMIT_MS = 15_000

/** Looks again and again until `isMet`. @throws Error that tells what was seen last */
export async function eventually<T>(
  look: () => T | Promise<T>,
  isMet: (seen: T) => boolean = Boolean,
  limitMs = LIMIT_MS,
): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const seen = await look()
    if (isMet(seen)) return seen
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms; last seen: ${JSON.stringify(seen)}`)
    await sleep(POLL_MS)
  }
}
