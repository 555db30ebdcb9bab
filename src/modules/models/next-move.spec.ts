import { describe, expect, it } from '@jest/globals'
import { ModelFailure, type ModelFailureReason } from './model-failure.js'
import { MAX_RETRY_AFTER_MS, nextMove, RETRY_AFTER_SPREAD_MS } from './next-move.js'

const STATE = { retriesLeft: 1, backoffMs: 500, remainingMs: 100_000 }
const refusal = (status: number, retryAfterMs: number | null = null) =>
  new ModelFailure('refused', 'x', { status, retryAfterMs })

describe('nextMove', () => {
  it.each(['unreachable', 'broken', 'silent'] as const)('retries a call that was %s', (reason) => {
    expect(nextMove(new ModelFailure(reason, 'x'), STATE)).toEqual({ kind: 'retry', delayMs: 500 })
  })

  it.each<ModelFailureReason>(['timeout', 'unserved', 'circuit_open', 'unusable'])(
    'goes on at once after %s: the same model has no better answer',
    (reason) => {
      expect(nextMove(new ModelFailure(reason, 'x'), STATE)).toEqual({ kind: 'next_model' })
    },
  )

  it('gives up on what would fail with any model', () => {
    expect(nextMove(refusal(400), STATE)).toEqual({ kind: 'give_up' })
    expect(nextMove(new ModelFailure('excessive', 'x'), STATE)).toEqual({ kind: 'give_up' })
  })

  it('goes on when no retry is left, or no time for one', () => {
    expect(nextMove(refusal(500), { ...STATE, retriesLeft: 0 })).toEqual({ kind: 'next_model' })
    expect(nextMove(refusal(500), { ...STATE, remainingMs: 500 })).toEqual({ kind: 'next_model' })
  })

  it('waits at least as long as it is asked to, spread a little', () => {
    expect(nextMove(refusal(429, 3000), STATE)).toEqual({ kind: 'retry', delayMs: 3000 + RETRY_AFTER_SPREAD_MS })
    expect(nextMove(refusal(429, 0), { ...STATE, backoffMs: 7 })).toEqual({ kind: 'retry', delayMs: 7 })
  })

  it('does not wait longer than a minute, nor past the time that the model has', () => {
    expect(nextMove(refusal(503, MAX_RETRY_AFTER_MS), STATE).kind).toBe('retry')
    expect(nextMove(refusal(503, MAX_RETRY_AFTER_MS + 1), STATE).kind).toBe('next_model')
    expect(nextMove(refusal(503, 2000), { ...STATE, remainingMs: 1999 }).kind).toBe('next_model')
  })
})
