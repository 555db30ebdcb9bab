import { describe, expect, it } from '@jest/globals'
import { AppError } from '#kernel/app-error.js'
import { type TimeRangeOptions, toTimeRange } from './time-range.js'

const OPTIONS: TimeRangeOptions = {
  now: new Date('2026-03-10T12:34:56.789Z'),
  bucket: 'hour',
  defaultBuckets: 24,
  maxBuckets: 48,
}

function rangeOf(query: { from?: string; to?: string }, options: Partial<TimeRangeOptions> = {}): string[] {
  const { from, to } = toTimeRange(query, { ...OPTIONS, ...options })
  return [from.toISOString(), to.toISOString()]
}

describe('the time that a request asks for', () => {
  it('ends with the bucket that is under way, and holds as many as are usual', () => {
    expect(rangeOf({})).toEqual(['2026-03-09T13:00:00.000Z', '2026-03-10T13:00:00.000Z'])
    expect(rangeOf({}, { bucket: 'day', defaultBuckets: 2 })).toEqual([
      '2026-03-09T00:00:00.000Z',
      '2026-03-11T00:00:00.000Z',
    ])
  })

  it('is widened to whole buckets of UTC, whatever the offset', () => {
    const query = { from: '2026-03-10T05:45:00+05:30', to: '2026-03-10T06:30:00.001+05:30' }
    expect(rangeOf(query)).toEqual(['2026-03-10T00:00:00.000Z', '2026-03-10T02:00:00.000Z'])
    expect(rangeOf(query, { bucket: 'day' })).toEqual(['2026-03-10T00:00:00.000Z', '2026-03-11T00:00:00.000Z'])
  })

  it('is not widened where its ends are those of buckets', () => {
    const query = { from: '2026-03-10T00:00:00Z', to: '2026-03-12T00:00:00Z' }
    expect(rangeOf(query)).toEqual(['2026-03-10T00:00:00.000Z', '2026-03-12T00:00:00.000Z'])
  })

  it.each([
    ['ends before it begins', { from: '2026-03-10T02:00:00Z', to: '2026-03-10T01:59:59Z' }],
    ['holds nothing', { from: '2026-03-10T02:15:00Z', to: '2026-03-10T02:15:00Z' }],
    ['begins after now', { from: '2026-03-10T12:40:00Z' }],
    ['is one bucket too long', { from: '2026-03-10T00:00:00Z', to: '2026-03-12T00:00:00.001Z' }],
  ])('is refused where it %s', (_what, query) => {
    const refused = expect.objectContaining({
      code: 'validation_failed',
      errors: [expect.objectContaining({ pointer: '/from' })],
    })
    expect(() => toTimeRange(query, OPTIONS)).toThrow(AppError)
    expect(catching(() => toTimeRange(query, OPTIONS))).toEqual(refused)
  })
})

function catching(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}
