import { describe, expect, it } from '@jest/globals'
import { joinEnds } from './join-ends.js'
import { endOf, NO_USAGE, type PricedUse, type StepEnd } from './journal.js'

const USE: PricedUse = {
  model: 'm',
  usage: {
    isReported: true,
    inputTokens: 5,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 2,
    reasoningTokens: 0,
  },
  price: null,
  isEstimated: true,
  outcome: 'aborted',
  costUsd: '0.1',
}
const ABORTED: StepEnd = {
  ...endOf(1, 'running', null),
  usage: { ...NO_USAGE, inputTokens: 5, outputTokens: 2, costUsd: '0.1' },
  uses: [USE],
  cache: 'miss',
}

describe('joinEnds', () => {
  it('ends a step as the last word says, with all that it has used', () => {
    expect(joinEnds([ABORTED, endOf(1, 'cancelled', null)])).toEqual([{ ...ABORTED, status: 'cancelled' }])
    const twice = joinEnds([ABORTED, { ...ABORTED, status: 'completed', model: 'm' }])
    expect(twice).toEqual([
      {
        ...ABORTED,
        status: 'completed',
        model: 'm',
        usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 4, costUsd: '0.2' },
        uses: [USE, USE],
      },
    ])
  })

  it('leaves steps apart', () => {
    const ends = [endOf(1, 'completed', 'a'), endOf(2, 'failed', 'b')]
    expect(joinEnds(ends)).toEqual(ends)
  })
})
