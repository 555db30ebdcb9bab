import { describe, expect, it } from '@jest/globals'
import { settingsSchema } from '#platform/config/settings.js'
import { retryDelayMs } from './retry-schedule.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const policy = { retrySeconds: [5, 300], maxRetryAfterSeconds: 600 }
const MIDDLE = 0.5

const delay = (attempts: number, retryAfterMs: number | null = null, random = MIDDLE) =>
  retryDelayMs(policy, { attempts, retryAfterMs, random })

describe('retryDelayMs', () => {
  it("is the contract's schedule by default, and then nothing", () => {
    const { WEBHOOK_RETRY_SECONDS: retrySeconds } = settingsSchema.parse({})
    const delays = Array.from({ length: 10 }, (_, index) =>
      retryDelayMs({ ...policy, retrySeconds }, { attempts: index + 1, retryAfterMs: null, random: MIDDLE }),
    )
    const hours = [2, 5, 10, 14, 20, 24].map((count) => count * HOUR)
    expect(delays).toEqual([5 * SECOND, 5 * MINUTE, 30 * MINUTE, ...hours, null])
  })

  it('is a tenth longer or shorter at most', () => {
    expect([delay(2, null, 0), delay(2, null, 1)]).toEqual([270 * SECOND, 330 * SECOND])
  })

  it('is what the receiver asks for where that is longer, up to a limit', () => {
    expect(delay(1, 60 * SECOND)).toBe(60 * SECOND)
    expect(delay(1, 1 * SECOND)).toBe(5 * SECOND)
    expect(delay(1, 24 * HOUR)).toBe(600 * SECOND)
    expect(delay(3, 60 * SECOND)).toBeNull()
  })
})
