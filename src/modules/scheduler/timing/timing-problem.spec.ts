import { describe, expect, it } from '@jest/globals'
import type { Timing } from './timing.js'
import { findTimingProblem } from './timing-problem.js'

const NOW = new Date('2026-05-01T00:00:00Z')
const problem = (timing: Timing, minIntervalSeconds = 10) => findTimingProblem(timing, { now: NOW, minIntervalSeconds })
const cronProblem = (cron: string, minIntervalSeconds?: number, timezone = 'Europe/Berlin') =>
  problem({ kind: 'cron', cron, timezone }, minIntervalSeconds)

describe('findTimingProblem', () => {
  it.each(['UTC', 'Europe/Kiev', 'europe/berlin'])('takes the zone %s', (timezone) => {
    expect(cronProblem('0 0 * * *', 10, timezone)).toBeNull()
  })

  it.each(['+02:00', 'Europe/Nowhere', ''])('refuses the zone "%s"', (timezone) => {
    expect(cronProblem('0 0 * * *', 10, timezone)).toEqual({
      field: 'timezone',
      detail: 'must be an IANA time zone such as Europe/Berlin',
    })
  })

  it.each([
    ['', 'must have five fields (minute, hour, day of month, month, day of week) or six (second first), not 0'],
    ['* * * *', 'or six (second first), not 4'],
    ['0 0 0 1 1 * 2027', 'or six (second first), not 7'],
    ['constructor', 'or six (second first), not 1'],
    [`0 0 * * ${'1,'.repeat(100)}1`, 'must be at most 100 characters long'],
    ['@reboot', '"@reboot" is none of @yearly, '],
    ['@daily 1', '"@daily 1" is none of @yearly, '],
    ['60 * * * *', 'minute "60" cannot be read: it takes 0-59'],
    ['99 0 0 * * *', 'second "99" cannot be read: it takes 0-59'],
    ['0 24 * * *', 'hour "24" cannot be read: it takes 0-23'],
    ['0 0 0 * *', 'day of month "0" cannot be read: it takes 1-31'],
    ['0 0 32 * *', 'day of month "32" cannot be read: it takes 1-31'],
    ['0 0 1-5W * *', 'day of month "1-5W" cannot be read: '],
    ['0 0 L-3 * *', 'day of month "L-3" cannot be read: L is a value of its own'],
    ['0 0 1,LW * *', 'day of month "1,LW" cannot be read: L is a value of its own'],
    ['0 0 * 13 *', 'month "13" cannot be read: it takes 1-12 or JAN-DEC'],
    ['0 0 * JANUARY *', 'month "JANUARY" cannot be read: a name stands alone'],
    ['0 0 * * 8', 'day of week "8" cannot be read: it takes 0-7 or SUN-SAT'],
    ['0 0 * * FRI#6', 'day of week "FRI#6" cannot be read: it takes 0-7 or SUN-SAT'],
    ['0 0 * * SAT-MON', 'day of week "SAT-MON" cannot be read: the range runs backwards'],
    ['50-10 * * * *', 'minute "50-10" cannot be read: the range runs backwards'],
    ['5/15 * * * *', 'minute "5/15" cannot be read: a step follows * or a range'],
    ['/5 * * * *', 'minute "/5" cannot be read: a step follows * or a range'],
    ['*/0 * * * *', 'minute "*/0" cannot be read: a step is a whole number from 1'],
    ['*/61 * * * *', 'minute "*/61" cannot be read: the step is greater than the field'],
    ['1.5 * * * *', 'minute "1.5" cannot be read'],
    ['1,,2 * * * *', 'minute "1,,2" cannot be read'],
    ['0 0 ? * MON', 'day of month "?" cannot be read: ? has no meaning here'],
    ['0 0 1 * +MON', 'day of week "+MON" cannot be read: + has no meaning here'],
  ])('refuses "%s"', (cron, detail) => {
    const found = cronProblem(cron)
    expect(found?.field).toBe('cron')
    expect(found?.detail).toContain(detail)
  })

  it.each([
    ['0 0 30 2 *', '30', '2'],
    ['0 0 30,31 FEB *', '30,31', 'FEB'],
    ['0 0 31 4 *', '31', '4'],
    ['0 0 31 6,9,11 *', '31', '6,9,11'],
    ['0 0 31W 2-2 *', '31W', '2-2'],
    ['*/30 * * 31 4 *', '31', '4'],
  ])('refuses "%s", which never fires', (cron, day, month) => {
    const detail = `never fires: day of month "${day}" never comes in month "${month}"`
    expect(cronProblem(cron)).toEqual({ field: 'cron', detail })
  })

  it.each(['0 0 29 2 *', '0 0 31 4 MON', '0 0 L 2 *', '0 0 * 2 FRI#5', '0 0 29W 2 *', '0 0 31 1,4 *'])(
    'takes "%s", which fires some day',
    (cron) => {
      expect(cronProblem(cron)).toBeNull()
    },
  )

  it.each([
    ['* * * * * *', 1],
    ['*/5 * * * * *', 5],
    ['0,59 * * * * *', 1],
    ['0,50 * * * * *', 10],
    ['59 59 0 * * *', 86_400],
    ['0,59 0,1 0 * * *', 1],
    ['5,50 0,1 0 * * *', 15],
    ['0,50 5,10 0 * * *', 50],
    ['*/7 * * * *', 240],
    ['0,59 * * * *', 60],
    ['0,59 1,5 * * *', 3540],
    ['0,59 1,2 * * *', 60],
    ['0,40 4,6 * * *', 2400],
    ['0 0,23 * * *', 3600],
    ['0 0,23 * * MON', 23 * 3600],
    ['0 0,23 * * MON,TUE', 3600],
    ['0 0 * * SUN,MON', 86_400],
    ['0 0 * * MON', 7 * 86_400],
    ['0 0 1 * *', 28 * 86_400],
    ['0 0 1,31 * *', 86_400],
    ['0 0 1 1 *', 365 * 86_400],
    ['0 0 31 12 *', 365 * 86_400],
    ['0 0 29 2 *', (4 * 365 + 1) * 86_400],
  ])('finds "%s" as dense as %i s at the most', (cron, seconds) => {
    expect(cronProblem(cron, seconds)).toBeNull()
    const detail = `has times only ${seconds} s apart; at least ${seconds + 1} s must lie between two`
    expect(cronProblem(cron, seconds + 1)).toEqual({ field: 'cron', detail })
  })

  it('takes an interval that is whole, long enough and no longer than ten years', () => {
    const every = (everySeconds: number) => problem({ kind: 'interval', everySeconds, anchor: NOW })
    expect([every(10), every(3600), every(316_224_000)]).toEqual([null, null, null])
    expect(every(9)).toEqual({ field: 'everySeconds', detail: 'must be at least 10, not 9' })
    expect(every(10.5)).toEqual({ field: 'everySeconds', detail: 'must be a whole number of seconds, not 10.5' })
    expect(every(Number.NaN)?.field).toBe('everySeconds')
    expect(every(316_224_001)?.detail).toBe('must be at most 316224000, not 316224001')
  })

  it('takes a time in the future', () => {
    const once = (runAt: Date) => problem({ kind: 'once', runAt })
    expect(once(new Date(NOW.getTime() + 1))).toBeNull()
    expect(once(NOW)).toEqual({ field: 'runAt', detail: 'must be in the future' })
    expect(once(new Date(Number.NaN))?.field).toBe('runAt')
  })
})
