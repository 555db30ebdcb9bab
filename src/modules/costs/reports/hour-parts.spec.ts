import { describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { toHourParts } from './hour-parts.js'

const MS_PER_HOUR = 3_600_000
const at = (time: string): Date => new Date(`2026-03-01T${time}:00.000Z`)
const timesOf = (from: string, to: string) => {
  const { head, hours, rest } = toHourParts({ from: at(from), to: at(to) })
  return [head, hours, rest].map((part) =>
    part.from < part.to ? [part.from, part.to].map((date) => date.toISOString().slice(11, 16)).join('-') : '',
  )
}

describe('the parts of a range', () => {
  it.each([
    ['10:30', '14:15', ['10:30-11:00', '11:00-14:00', '14:00-14:15']],
    ['10:00', '14:00', ['', '10:00-14:00', '']],
    ['10:30', '11:15', ['10:30-11:00', '', '11:00-11:15']],
    ['10:10', '10:50', ['10:10-10:50', '', '']],
    ['10:00', '10:50', ['', '', '10:00-10:50']],
    ['10:10', '11:00', ['10:10-11:00', '', '']],
    ['10:10', '10:10', ['', '', '']],
  ])('from %s to %s are %j', (from, to, parts) => {
    expect(timesOf(from, to)).toEqual(parts)
  })

  it('are all of it, each moment once, and the middle is whole hours', () => {
    const moment = fc.integer({ min: -5 * MS_PER_HOUR, max: 5 * MS_PER_HOUR })
    fc.assert(
      fc.property(moment, moment, moment, (a, b, looked) => {
        const [from, to] = [new Date(Math.min(a, b)), new Date(Math.max(a, b))]
        const { head, hours, rest } = toHourParts({ from, to })
        const isIn = (range: { from: Date; to: Date }) => looked >= range.from.getTime() && looked < range.to.getTime()
        expect([head, hours, rest].filter(isIn)).toHaveLength(isIn({ from, to }) ? 1 : 0)
        expect(Math.abs(hours.from.getTime() % MS_PER_HOUR) + Math.abs(hours.to.getTime() % MS_PER_HOUR)).toBe(0)
      }),
    )
  })
})
