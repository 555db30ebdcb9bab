import { describe, expect, it } from '@jest/globals'
import { array, assert, constantFrom, integer, property, record } from 'fast-check'
import { InProcessWindows } from './in-process-windows.js'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const NOW_MS = 1_763_712_000_000

describe('InProcessWindows', () => {
  it('counts up in a window that ends when its first hit says, however many follow', () => {
    const windows = new InProcessWindows()
    expect(windows.hit('a', MINUTE_MS, NOW_MS)).toEqual({ hits: 1, remainingMs: MINUTE_MS })
    expect(windows.hit('a', MINUTE_MS, NOW_MS + 1000)).toEqual({ hits: 2, remainingMs: MINUTE_MS - 1000 })
    expect(windows.hit('a', MINUTE_MS, NOW_MS + MINUTE_MS - 1)).toEqual({ hits: 3, remainingMs: 1 })
    expect(windows.hit('a', MINUTE_MS, NOW_MS + MINUTE_MS)).toEqual({ hits: 1, remainingMs: MINUTE_MS })
  })

  it('keeps clients apart, and windows of different lengths', () => {
    const windows = new InProcessWindows()
    windows.hit('a', MINUTE_MS, NOW_MS)
    expect(windows.hit('b', MINUTE_MS, NOW_MS).hits).toBe(1)
    expect(windows.hit('a', HOUR_MS, NOW_MS).hits).toBe(1)
    expect(windows.hit('a', HOUR_MS, NOW_MS + MINUTE_MS).hits).toBe(2)
  })

  it('begins anew when the clock is set back, and shuts nobody out for the difference', () => {
    const windows = new InProcessWindows()
    windows.hit('a', MINUTE_MS, NOW_MS)
    expect(windows.hit('a', MINUTE_MS, NOW_MS - HOUR_MS)).toEqual({ hits: 1, remainingMs: MINUTE_MS })
  })

  it('remembers at most twice its bound, and the newest of them', () => {
    const windows = new InProcessWindows(100)
    for (let index = 0; index < 1000; index += 1) windows.hit(`client-${index}`, MINUTE_MS, NOW_MS)
    const hitsOf = (index: number): number => windows.hit(`client-${index}`, MINUTE_MS, NOW_MS).hits
    expect(hitsOf(999)).toBe(2)
    expect(hitsOf(0)).toBe(1)
  })

  it('counts as a list of all hits would, whatever comes when', () => {
    const step = record({ key: constantFrom('a', 'b', 'c'), afterMs: integer({ min: 0, max: 45_000 }) })
    assert(
      property(array(step, { maxLength: 200 }), (steps) => {
        const windows = new InProcessWindows()
        const begun = new Map<string, { atMs: number; hits: number }>()
        let nowMs = NOW_MS
        for (const { key, afterMs } of steps) {
          nowMs += afterMs
          const known = begun.get(key)
          const window = known && nowMs < known.atMs + MINUTE_MS ? known : { atMs: nowMs, hits: 0 }
          window.hits += 1
          begun.set(key, window)
          const remainingMs = window.atMs + MINUTE_MS - nowMs
          expect(windows.hit(key, MINUTE_MS, nowMs)).toEqual({ hits: window.hits, remainingMs })
        }
      }),
    )
  })
})
