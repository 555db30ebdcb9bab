import { describe, expect, it } from '@jest/globals'
import { timesBetween } from './timing.js'

/** All fires from `after` (included, when it is one) to `until`, UTC, as MM-DDTHH:MM[:SS]. */
const fires = (timezone: string, cron: string, [after, until]: readonly [string, string]) =>
  timesBetween(
    { kind: 'cron', cron, timezone },
    { after: new Date(Date.parse(`${after}Z`) - 1), until: new Date(`${until}Z`), limit: 100 },
  ).map((time) => time.toISOString().slice(5, 19).replace(/:00$/, ''))

const NEW_YORK_GAP = ['2026-03-08T06:00', '2026-03-08T08:59:59'] as const
const NEW_YORK_OVERLAP = ['2026-11-01T04:00', '2026-11-01T07:59:59'] as const

describe('in a gap (New York, 8 March 2026, 02:00 to 03:00, at 07:00 UTC)', () => {
  it.each([
    ['30 2 * * *', ['03-08T07:00']],
    ['0 2 * * *', ['03-08T07:00']],
    ['59 59 2 * * *', ['03-08T07:00']],
    ['15,45 2 * * *', ['03-08T07:00']],
    ['0 2,3 * * *', ['03-08T07:00']],
    ['30 1-3 * * *', ['03-08T06:30', '03-08T07:00', '03-08T07:30']],
    ['*/20 2 * * *', ['03-08T07:00']],
    ['* * 2 * * *', ['03-08T07:00']],
    ['5 3 * * *', ['03-08T07:05']],
    ['*/30 * * * *', ['03-08T06:00', '03-08T06:30', '03-08T07:00', '03-08T07:30', '03-08T08:00', '03-08T08:30']],
    // Local 02:00 was not, 04:00 is 08:00 UTC.
    ['0 */2 * * *', ['03-08T08:00']],
    ['30 */2 * * *', ['03-08T08:30']],
  ])('"%s" fires at %j', (cron, times) => {
    expect(fires('America/New_York', cron, NEW_YORK_GAP)).toEqual(times)
  })
})

describe('in an overlap (New York, 1 November 2026, 01:00 to 02:00 twice, from 05:00 and 06:00 UTC)', () => {
  it.each([
    ['30 1 * * *', ['11-01T05:30']],
    ['0 1 * * *', ['11-01T05:00']],
    ['59 59 1 * * *', ['11-01T05:59:59']],
    ['15,45 1 * * *', ['11-01T05:15', '11-01T05:45']],
    ['0 2 * * *', ['11-01T07:00']],
    ['30 0-2 * * *', ['11-01T04:30', '11-01T05:30', '11-01T07:30']],
    ['30 0-23 * * *', ['11-01T04:30', '11-01T05:30', '11-01T07:30']],
    ['30 * * * *', ['11-01T04:30', '11-01T05:30', '11-01T06:30', '11-01T07:30']],
    ['@hourly', ['11-01T04:00', '11-01T05:00', '11-01T06:00', '11-01T07:00']],
    // Local 00:00 and 02:00.
    ['0 */2 * * *', ['11-01T04:00', '11-01T07:00']],
    ['30 59 */1 * * *', ['11-01T04:59:30', '11-01T05:59:30', '11-01T06:59:30', '11-01T07:59:30']],
  ])('"%s" fires at %j', (cron, times) => {
    expect(fires('America/New_York', cron, NEW_YORK_OVERLAP)).toEqual(times)
  })

  it('asked while the hour comes again, fires no time of day again', () => {
    const again = ['2026-11-01T06:10', '2026-11-01T07:59:59'] as const
    expect(fires('America/New_York', '30 1 * * *', again)).toEqual([])
    expect(fires('America/New_York', '30 0-23 * * *', again)).toEqual(['11-01T07:30'])
  })
})

describe('where clocks change in other ways', () => {
  // From when on, for twelve hours.
  it.each([
    ['Berlin: 02:00 to 03:00', 'Europe/Berlin', '30 2 * * *', '2026-03-29T00:00', ['03-29T01:00']],
    ['Berlin: 02:00 to 03:00 twice', 'Europe/Berlin', '30 2 * * *', '2026-10-24T22:00', ['10-25T00:30']],
    ['Lord Howe: a gap of 30 min, 02:00', 'Australia/Lord_Howe', '15 2 * * *', '2026-10-03T12:00', ['10-03T15:30']],
    ['Lord Howe: just after it', 'Australia/Lord_Howe', '30 2 * * *', '2026-10-03T12:00', ['10-03T15:30']],
    ['Lord Howe: 30 min twice, 01:30', 'Australia/Lord_Howe', '45 1 * * *', '2026-04-04T12:00', ['04-04T14:45']],
    ['Lord Howe: just before them', 'Australia/Lord_Howe', '29 1 * * *', '2026-04-04T12:00', ['04-04T14:29']],
    ['Santiago: no midnight', 'America/Santiago', '0 0 * * *', '2026-09-06T00:00', ['09-06T04:00']],
    ['Santiago: 23:30 twice', 'America/Santiago', '30 23 * * *', '2026-04-05T00:00', ['04-05T02:30']],
    ['Santiago: the midnight behind it', 'America/Santiago', '0 0 * * *', '2026-04-05T00:00', ['04-05T04:00']],
    ['Asuncion: no midnight', 'America/Asuncion', '0 0 * * *', '2023-10-01T00:00', ['10-01T04:00']],
    ['Cairo: no midnight', 'Africa/Cairo', '0 0 * * *', '2026-04-23T18:00', ['04-23T22:00']],
    ['Cairo: a Friday without one', 'Africa/Cairo', '0 0 * * FRI', '2026-04-23T18:00', ['04-23T22:00']],
    ['Beirut: no midnight', 'Asia/Beirut', '@daily', '2026-03-28T18:00', ['03-28T22:00']],
    ['Troll: a gap of two hours, 01:00', 'Antarctica/Troll', '30 1,2 * * *', '2026-03-29T00:00', ['03-29T01:00']],
    ['Troll: two hours twice', 'Antarctica/Troll', '30 1,2 * * *', '2026-10-24T18:00', ['10-24T23:30', '10-25T00:30']],
    ['Casablanca: back for Ramadan', 'Africa/Casablanca', '30 2 * * *', '2025-02-23T00:00', ['02-23T01:30']],
    ['Casablanca: and forth', 'Africa/Casablanca', '30 2 * * *', '2025-04-06T00:00', ['04-06T02:00']],
    ['Apia: no 30 December', 'Pacific/Apia', '0 12 30 12 *', '2011-12-30T06:00', ['12-30T10:00']],
  ])('%s', (_, timezone, cron, from, times) => {
    const until = new Date(Date.parse(`${from}Z`) + 12 * 3_600_000).toISOString().slice(0, -1)
    expect(fires(timezone, cron, [from, until])).toEqual(times)
  })

  it('a skipped day and the midnight behind it are one fire', () => {
    const days = fires('Pacific/Apia', '0 0,12 * * *', ['2011-12-29T00:00', '2011-12-31T00:00'])
    expect(days).toEqual(['12-29T10:00', '12-29T22:00', '12-30T10:00', '12-30T22:00'])
  })

  it('a day that came twice has its times once', () => {
    // Kwajalein set its clocks back by 23 hours: 30 September 1969 from 01:00 came twice.
    const window = ['1969-09-29T13:00', '1969-10-01T14:00'] as const
    expect(fires('Pacific/Kwajalein', '30 12 * * *', window)).toEqual(['09-30T01:30'])
    expect(fires('Pacific/Kwajalein', '30 * * * *', window)).toHaveLength(49)
  })
})
