import { describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { jitterMs } from './jitter.js'

describe('jitterMs', () => {
  it('is the same for ever', () => {
    // As it was when this was written: another delay would fire a schedule twice or not at all after an upgrade.
    expect(jitterMs('01996f3e-0000-7000-8000-000000000001', 60)).toBe(37145)
  })

  it('is a whole number of ms, from 0 to below the limit', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 86_400 }), (id, seconds) => {
        const ms = jitterMs(id, seconds)
        expect(Number.isInteger(ms) && ms >= 0 && ms < seconds * 1000 && ms === jitterMs(id, seconds)).toBe(true)
      }),
    )
  })

  it('is none when there is to be none', () => {
    expect(jitterMs('some-schedule', 0)).toBe(0)
  })

  it('spreads schedules evenly', () => {
    const tenths = Array.from({ length: 10 }, () => 0)
    for (let index = 0; index < 10_000; index++) {
      const tenth = Math.floor(jitterMs(`schedule-${index}`, 10) / 1000)
      tenths[tenth] = (tenths[tenth] ?? 0) + 1
    }
    for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})
