import { describe, expect, it } from '@jest/globals'
import { mergeLimits } from './merge-limits.js'

describe('mergeLimits', () => {
  it('takes the stricter of both, limit by limit', () => {
    const a = { maxSteps: 5, maxTokens: 100, timeoutSeconds: 60, maxCostUsd: '0.5' }
    const b = { maxSteps: 9, maxTokens: 10, timeoutSeconds: 90, maxCostUsd: '0.10' }
    const stricter = { maxSteps: 5, maxTokens: 10, timeoutSeconds: 60, maxCostUsd: '0.10' }
    expect(mergeLimits(a, b)).toEqual(stricter)
    expect(mergeLimits(b, a)).toEqual(stricter)
  })

  it('compares money as numbers, not as text', () => {
    expect(mergeLimits({ maxCostUsd: '9' }, { maxCostUsd: '10' })).toEqual({ maxCostUsd: '9' })
  })

  it('takes what only one of them says, and says nothing where neither does', () => {
    expect(mergeLimits({ maxSteps: 5 }, { maxCostUsd: '1' })).toEqual({ maxSteps: 5, maxCostUsd: '1' })
    expect(mergeLimits(undefined, { timeoutSeconds: 3 })).toEqual({ timeoutSeconds: 3 })
    expect(mergeLimits(undefined, undefined)).toEqual({})
  })
})
