import type { Window } from './window.js'

/**
 * Windows of one length that are remembered at once, twice over: some 20 MB for each length. Above it the oldest are
 * forgotten early: an attacker with that many networks has that many limits already, and to run out of memory is worse.
 */
const MAX_WINDOWS = 50_000

interface Count {
  hits: number
  readonly endsAtMs: number
}

interface Generations {
  current: Map<string, Count>
  /** Windows that began before `current` did: all have ended when it is replaced, so nothing is ever searched or deleted. */
  previous: Map<string, Count>
  replacedAtMs: number
}

/** Fixed windows in this process, in constant time and bounded memory. */
export class InProcessWindows {
  private readonly byLength = new Map<number, Generations>()

  constructor(private readonly maxWindows = MAX_WINDOWS) {}

  /** Counts one request. */
  hit(key: string, windowMs: number, nowMs: number): Window {
    const generations = this.generationsOf(windowMs, nowMs)
    const known = generations.current.get(key) ?? generations.previous.get(key)
    // One that has more left than its length was begun before the clock was set back.
    if (known && known.endsAtMs > nowMs && known.endsAtMs - nowMs <= windowMs) {
      known.hits += 1
      return { hits: known.hits, remainingMs: known.endsAtMs - nowMs }
    }
    generations.current.set(key, { hits: 1, endsAtMs: nowMs + windowMs })
    return { hits: 1, remainingMs: windowMs }
  }

  private generationsOf(windowMs: number, nowMs: number): Generations {
    let generations = this.byLength.get(windowMs)
    if (!generations) {
      generations = { current: new Map(), previous: new Map(), replacedAtMs: nowMs + windowMs }
      this.byLength.set(windowMs, generations)
    }
    if (nowMs >= generations.replacedAtMs || generations.current.size >= this.maxWindows) {
      generations.previous = generations.current
      generations.current = new Map()
      generations.replacedAtMs = nowMs + windowMs
    }
    return generations
  }
}
