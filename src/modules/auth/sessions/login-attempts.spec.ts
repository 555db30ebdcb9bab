import { describe, expect, it } from '@jest/globals'
import { lockoutSeconds } from './login-attempts.js'

describe('lockoutSeconds', () => {
  it('waits twice as long with each failure from the limit on, and an hour at most', () => {
    const waits = [9, 10, 11, 12, 16, 17, 100_000].map((failures) => lockoutSeconds(failures, 10))
    expect(waits).toEqual([0, 30, 60, 120, 1920, 3600, 3600])
  })
})
