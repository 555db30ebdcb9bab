import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { AnswerDraft } from './answer-draft.js'
import type { TokenCounter } from './token-counter.js'
import { ABORTED_TIMEOUT_MS, UsageEstimator } from './usage-estimator.service.js'

/** Counts until it may not any more. */
function patientCounter() {
  const counting = { isOver: false }
  const countEach: TokenCounter['countEach'] = async (texts, options) => {
    const signal = options?.signal
    if (signal && !signal.aborted) await once(signal, 'abort')
    counting.isOver = true
    return texts.map(() => 1)
  }
  return { counting, estimator: new UsageEstimator({ countEach } as TokenCounter) }
}

const estimate = (estimator: UsageEstimator, signal: AbortSignal) =>
  estimator.estimate({ prompt: [] }, new AnswerDraft(100), signal)

describe('what a provider did not tell', () => {
  it('is counted with patience while the call is wanted, and for a moment only once it is not', async () => {
    const { counting, estimator } = patientCounter()
    const call = new AbortController()
    const estimating = estimate(estimator, call.signal)
    await sleep(ABORTED_TIMEOUT_MS * 1.5)
    expect(counting.isOver).toBe(false)
    call.abort()
    await sleep(ABORTED_TIMEOUT_MS / 2)
    expect(counting.isOver).toBe(false)
    await estimating
    expect(counting.isOver).toBe(true)
  })

  it('is counted for a moment only where the call was aborted before', async () => {
    const { estimator } = patientCounter()
    expect(await estimate(estimator, AbortSignal.abort())).toMatchObject({ isReported: true, inputTokens: 1 })
  })
})
