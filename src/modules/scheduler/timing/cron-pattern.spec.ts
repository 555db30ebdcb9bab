import { describe, expect, it } from '@jest/globals'
import { Cron } from 'croner'
import * as fc from 'fast-check'
import { timesBetween } from './timing.js'

const FROM = '2026-01-01T00:00:00Z'

const firstOf = (cron: string, limit: number, from = FROM) =>
  timesBetween(
    { kind: 'cron', cron, timezone: 'UTC' },
    { after: new Date(Date.parse(from) - 1), until: new Date('9000-01-01T00:00:00Z'), limit },
  ).map((time) => time.toISOString().slice(0, 19))

const days = (cron: string, limit: number) => firstOf(cron, limit).map((time) => time.slice(0, 10))

describe('a cron text', () => {
  it.each([
    ['*/20 * * * *', ['2026-01-01T00:00:00', '2026-01-01T00:20:00', '2026-01-01T00:40:00']],
    ['10 5,17 * * *', ['2026-01-01T05:10:00', '2026-01-01T17:10:00', '2026-01-02T05:10:00']],
    ['*/25 59 23 * * *', ['2026-01-01T23:59:00', '2026-01-01T23:59:25', '2026-01-01T23:59:50']],
    ['10-50/20 3 * * *', ['2026-01-01T03:10:00', '2026-01-01T03:30:00', '2026-01-01T03:50:00']],
    ['  0\t0  1 * * ', ['2026-01-01T00:00:00', '2026-02-01T00:00:00', '2026-03-01T00:00:00']],
    ['@hourly', ['2026-01-01T00:00:00', '2026-01-01T01:00:00', '2026-01-01T02:00:00']],
    ['@daily', ['2026-01-01T00:00:00', '2026-01-02T00:00:00', '2026-01-03T00:00:00']],
    ['@Midnight', ['2026-01-01T00:00:00', '2026-01-02T00:00:00', '2026-01-03T00:00:00']],
    ['@weekly', ['2026-01-04T00:00:00', '2026-01-11T00:00:00', '2026-01-18T00:00:00']],
    ['@monthly', ['2026-01-01T00:00:00', '2026-02-01T00:00:00', '2026-03-01T00:00:00']],
    ['@yearly', ['2026-01-01T00:00:00', '2027-01-01T00:00:00', '2028-01-01T00:00:00']],
    ['@annually', ['2026-01-01T00:00:00', '2027-01-01T00:00:00', '2028-01-01T00:00:00']],
  ])('"%s" is at %j', (cron, times) => {
    expect(firstOf(cron, times.length)).toEqual(times)
  })

  it.each([
    ['0 0 29 2 *', ['2028-02-29', '2032-02-29', '2036-02-29']],
    ['0 0 L * *', ['2026-01-31', '2026-02-28', '2026-03-31']],
    ['0 0 15,L 2 *', ['2026-02-15', '2026-02-28', '2027-02-15']],
    ['0 0 L 2 *', ['2026-02-28', '2027-02-28', '2028-02-29']],
    // The 15th is a Sunday in February and March of 2026, and a Saturday in August.
    [
      '0 0 15W * *',
      ['2026-01-15', '2026-02-16', '2026-03-16', '2026-04-15', '2026-05-15', '2026-06-15', '2026-07-15', '2026-08-14'],
    ],
    // 1 August 2026 is a Saturday and 1 November a Sunday; 31 May is a Sunday and 31 October a Saturday.
    ['0 0 1W 8,11 *', ['2026-08-03', '2026-11-02', '2027-08-02']],
    ['0 0 31W 5,10 *', ['2026-05-29', '2026-10-30', '2027-05-31']],
    ['0 0 LW 2,5 *', ['2026-02-27', '2026-05-29', '2027-02-26']],
    ['0 0 * * FRI#2', ['2026-01-09', '2026-02-13', '2026-03-13']],
    ['0 0 * * FRI#5', ['2026-01-30', '2026-05-29', '2026-07-31']],
    ['0 0 * * 5L', ['2026-01-30', '2026-02-27', '2026-03-27']],
    ['0 0 * * friL', ['2026-01-30', '2026-02-27', '2026-03-27']],
    ['0 0 * * MON-WED', ['2026-01-05', '2026-01-06', '2026-01-07', '2026-01-12']],
    ['0 0 * * FRI-SUN', ['2026-01-02', '2026-01-03', '2026-01-04', '2026-01-09']],
    ['0 0 * * 0', ['2026-01-04', '2026-01-11']],
    ['0 0 * * 7', ['2026-01-04', '2026-01-11']],
    ['0 0 1 jan,MAR-Apr *', ['2026-01-01', '2026-03-01', '2026-04-01', '2027-01-01']],
    // Both restricted: either.
    ['0 0 13 * FRI', ['2026-01-02', '2026-01-09', '2026-01-13', '2026-01-16']],
  ])('"%s" is on %j', (cron, dates) => {
    expect(days(cron, dates.length)).toEqual(dates)
  })

  it('means on a clock without changes what croner takes it for', () => {
    const value = (min: number, max: number) => fc.integer({ min, max }).map(String)
    const field = (min: number, max: number, ...others: string[]) =>
      fc.oneof(
        fc.constantFrom('*', '*/2', '*/5', ...others),
        value(min, max),
        fc.uniqueArray(value(min, max), { minLength: 2, maxLength: 4 }).map((values) => values.join(',')),
        fc
          .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
          .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
      )
    const cron = fc
      .tuple(
        field(0, 59),
        field(0, 59),
        field(0, 23),
        field(1, 28, 'L', 'LW', '15W', '1W', '31W', '29', '3,L'),
        field(1, 12, 'JAN', 'feb,MAR'),
        field(0, 6, 'MON#1', 'FRI#5', '2L', '1-5#2', 'SAT-SUN', '7', 'MON,FRIL'),
      )
      .map((fields) => fields.join(' '))
    fc.assert(
      fc.property(cron, fc.integer({ min: 0, max: 30 * 365 * 86_400 }), (text, seconds) => {
        const from = new Date(Date.UTC(2020, 0, 1) + seconds * 1000)
        const expected = new Cron(text, { timezone: 'UTC', paused: true }).nextRuns(5, from)
        const window = { after: from, until: new Date('9000-01-01T00:00:00Z'), limit: 5 }
        expect(timesBetween({ kind: 'cron', cron: text, timezone: 'UTC' }, window)).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })
})
