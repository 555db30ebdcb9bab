import { describe, expect, it } from '@jest/globals'
import { nextAfter, timesBetween, type Timing } from './timing.js'

const FAR = new Date('2999-01-01T00:00:00Z')
const daily: Timing = { kind: 'cron', cron: '0 9 * * *', timezone: 'UTC' }

describe('nextAfter', () => {
  it('is strictly after, to the ms', () => {
    const nine = new Date('2026-05-01T09:00:00.000Z')
    expect(nextAfter(daily, new Date(nine.getTime() - 1))).toEqual(nine)
    expect(nextAfter(daily, nine)).toEqual(new Date('2026-05-02T09:00:00.000Z'))
    expect(nextAfter(daily, new Date(nine.getTime() + 1))).toEqual(new Date('2026-05-02T09:00:00.000Z'))
  })

  it('finds the rarest days, and nothing behind the year 9999', () => {
    const leapDay: Timing = { kind: 'cron', cron: '0 0 29 2 *', timezone: 'Europe/Berlin' }
    expect(nextAfter(leapDay, new Date('2096-03-01T00:00:00Z'))).toEqual(new Date('2104-02-28T23:00:00Z'))
    const fifthSunday: Timing = { kind: 'cron', cron: '0 * * 2 SUN#5', timezone: 'Europe/Berlin' }
    expect(nextAfter(fifthSunday, new Date('2088-03-01T00:00:00Z'))).toEqual(new Date('2128-02-28T23:00:00Z'))
    expect(nextAfter(leapDay, new Date('9996-03-01T00:00:00Z'))).toBeNull()
    expect(nextAfter(fifthSunday, new Date('9999-12-31T23:30:00Z'))).toBeNull()
  })

  it('never comes to a day that there is not', () => {
    for (const cron of ['0 0 30 2 *', '0 * 30 2 *']) {
      expect(nextAfter({ kind: 'cron', cron, timezone: 'Europe/Berlin' }, new Date('2026-01-01T00:00:00Z'))).toBeNull()
    }
  })

  it('throws for what is no cron text or no zone', () => {
    expect(() => nextAfter({ kind: 'cron', cron: '61 * * * *', timezone: 'UTC' }, FAR)).toThrow('minute "61"')
    expect(() => nextAfter({ kind: 'cron', cron: '* * * * *', timezone: 'Europe/Nowhere' }, FAR)).toThrow(RangeError)
  })

  it('counts an interval from its anchor, which is no time of it', () => {
    const anchor = new Date('2026-05-01T00:00:00.250Z')
    const interval: Timing = { kind: 'interval', everySeconds: 90, anchor }
    const at = (ms: number) => new Date(anchor.getTime() + ms)
    expect(nextAfter(interval, at(-1e9))).toEqual(at(90_000))
    expect(nextAfter(interval, anchor)).toEqual(at(90_000))
    expect(nextAfter(interval, at(89_999))).toEqual(at(90_000))
    expect(nextAfter(interval, at(90_000))).toEqual(at(180_000))
    expect(nextAfter(interval, at(365 * 86_400_000 + 1))).toEqual(at(365 * 86_400_000 + 90_000))
  })

  it('comes to a time once', () => {
    const runAt = new Date('2026-05-01T00:00:00Z')
    expect(nextAfter({ kind: 'once', runAt }, new Date(runAt.getTime() - 1))).toEqual(runAt)
    expect(nextAfter({ kind: 'once', runAt }, runAt)).toBeNull()
  })
})

describe('timesBetween', () => {
  const window = { after: new Date('2026-05-01T09:00:00Z'), until: new Date('2026-05-04T09:00:00Z'), limit: 10 }
  const mays = (...days: number[]) => days.map((day) => new Date(Date.UTC(2026, 4, day, 9)))

  it('begins behind its beginning and ends with its end', () => {
    expect(timesBetween(daily, window)).toEqual(mays(2, 3, 4))
    expect(timesBetween(daily, { ...window, until: new Date(window.until.getTime() - 1) })).toEqual(mays(2, 3))
  })

  it('stops at its limit and at the last time', () => {
    expect(timesBetween(daily, { ...window, limit: 2 })).toEqual(mays(2, 3))
    expect(timesBetween(daily, { ...window, limit: 0 })).toEqual([])
    const runAt = new Date('2026-05-02T00:00:00Z')
    expect(timesBetween({ kind: 'once', runAt }, window)).toEqual([runAt])
  })

  it('takes its thousand of a year of minutes from the beginning', () => {
    const minutely: Timing = { kind: 'cron', cron: '* * * * *', timezone: 'America/New_York' }
    const times = timesBetween(minutely, { ...window, until: FAR, limit: 1000 })
    expect(times).toHaveLength(1000)
    expect(times.at(-1)).toEqual(new Date(window.after.getTime() + 1000 * 60_000))
  })
})

it('is not changed by what was asked about other times', () => {
  const mondays: Timing = { kind: 'cron', cron: '0 9 * * MON', timezone: 'UTC' }
  for (let year = 0; year < 100; year += 1) nextAfter(mondays, new Date(new Date(0).setUTCFullYear(year, 0, 1)))
  expect(nextAfter(mondays, new Date('2027-03-01T10:00:00Z'))).toEqual(new Date('2027-03-08T09:00:00Z'))
})
